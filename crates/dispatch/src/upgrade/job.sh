#!/bin/sh
# The upgrade of one package at this machine: run once, and known afterwards, whoever asks and whatever breaks.
#
# Each run has a file here whose name is a number: the marker. It is made by a link, in which only one process can succeed,
# and the next number is only taken when the run before has ended or is lost; so the number is the machine's lock as well.
# A marker that was made is never removed, so a run is never begun again. What is run lives on when the connection is
# lost; NUMBER.status has what came of it, NUMBER.out what it said, NUMBER.sh is this file as it was run.
#
# Above this file stand the values of one package, and the functions that call its commands:
#   mode      begin: run it, unless it was run; ask: say how it has ended; settle: have a check say so; version: say what is here
#   job, attempt, section, path, owner, limit, has_check, has_rollback, has_version, needs_previous, needs_version
# shellcheck disable=SC2154
set -u
act=$1 home=$2 mask=$3
case $path in /*) ;; *) path=${home%/}/$path ;; esac
previous='' version='' wrapper=''
command -v setsid >/dev/null 2>&1 && wrapper=setsid

# Whatever was said before it, this begins a line.
say() { printf '\nintraware %s\n' "$*"; }

# Prints the value that a marker has for a word.
field() { sed -n "s/^$2 //p" "$1"; }

# Prints the numbers of the runs whose markers have this line.
with() { LC_ALL=C grep -l -x -F -e "$1" [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9] 2>/dev/null; }

# Has these files on the disk.
flush() { sync "$@" 2>/dev/null || sync; }

# Finds out how far a run is: ended, running, or lost.
stand() {
    standing=ended
    grep -q '^ended ' "$1.status" 2>/dev/null && return
    standing=running
    [ "$(date +%s)" -lt "$(field "$1" lease)" ] && kill -0 "$(field "$1" pid)" 2>/dev/null && return
    standing=lost
    # It may have ended in between.
    grep -q '^ended ' "$1.status" 2>/dev/null && standing=ended
}

# Finds the run of this section that was done last, in as many steps however many there were.
find_done() {
    found=$({
        with "section $section"
        LC_ALL=C grep -l -e '^ended done' [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].status 2>/dev/null | sed 's/[.]status$//'
    } | sort | uniq -d | tail -n 1)
}

# Runs a command with what it would have if it were run by hand, for so long at most.
launch() {
    # shellcheck disable=SC2086
    (umask "$mask" && cd "$home" && exec $wrapper "$@") </dev/null &
    child=$!
    (
        n=0
        while [ "$n" -lt "$limit" ]; do
            sleep 1
            kill -0 "$child" || exit 0
            n=$((n + 1))
        done
        # With a session of its own it is a group.
        kill -s TERM -- "${wrapper:+-}$child"
        sleep 5
        kill -s KILL -- "${wrapper:+-}$child"
    ) >/dev/null 2>&1 &
    guard=$!
    wait "$child"
    code=$?
    kill "$guard" 2>/dev/null
    return "$code"
}

# Has what came of the run so far on the disk.
note() {
    status="$status$*
"
    printf '%s' "$status" >"$number.status.new" && flush "$number.status.new" &&
        mv "$number.status.new" "$number.status" && flush .
}

# Runs one of the commands and notes how it has ended.
step() {
    start=$(date +%s)
    "$1"
    code=$?
    late=''
    [ "$code" -gt 128 ] && [ $(($(date +%s) - start)) -ge "$limit" ] && late=' late'
    note "$1 $code$late"
    return "$code"
}

# Prints the first line of what the version command says.
tell_version() { version 2>/dev/null | head -n 1 | tr -d '[:cntrl:]' | cut -c 1-200; }

# Takes the number, does all there is to do, and notes it.
run() {
    number=$4 kind=$5 status=''
    [ -n "$wrapper" ] || trap '' HUP
    find_done
    [ -z "$found" ] || previous=$(field "$found" path)
    me=$(exec sh -c 'echo "$PPID"')
    new=.new.$me now=$(date +%s)
    printf '%s\n' "job $job" "attempt $attempt" "kind $kind" "section $section" "path $path" "owner $owner" \
        "pid $me" "begun $(date -u +%Y-%m-%dT%H:%M:%SZ)" "lease $((now + 3 * limit + 120))" \
        "previous $previous" >"$new" && flush "$new" && ln "$new" "$number"
    taken=$?
    rm -f "$new"
    [ "$taken" -eq 0 ] || exit 1
    mv "$0" "$number.sh"
    flush "$number" .
    trap '' PIPE
    say begun "$number"
    trap - PIPE
    exec >>"$number.out" 2>&1
    if [ "$has_version" = yes ]; then
        version=$(tell_version)
        note "version $version"
    fi
    verdict='done'
    [ "$kind" = settle ] || step upgrade || verdict=failed
    [ "$verdict" = failed ] || [ "$has_check" = no ] || step check || verdict=failed
    if [ "$verdict" = failed ] && [ "$has_rollback" = yes ]; then
        if [ "$needs_previous" = yes ] && [ -z "$previous" ]; then
            note 'rollback nowhere'
        elif [ "$needs_version" = yes ] && [ -z "$version" ]; then
            note 'rollback nowhere'
        else
            step rollback
        fi
    fi
    note "ended $verdict"
    # What runs have left that never got a number.
    find . -name '.[jn]*.[0-9]*' -type f -mtime +1 -exec rm -f {} +
}

# Waits for the run of this marker, which somebody else has begun.
await() {
    while [ "$standing" = running ]; do
        sleep 1
        say alive
        stand "$1"
    done
}

# Says all that is known of a run; what it has said itself comes last.
report() {
    say "$standing" "$1"
    sed 's/^/intraware marker /' "$1"
    [ ! -f "$1.status" ] || sed 's/^/intraware status /' "$1.status"
    find_done
    [ "${found:-0}" -le "$1" ] || say after "$(field "$found" job)"
    say output
    [ ! -f "$1.out" ] || tail -c 4096 "$1.out"
}

# Begins a run of this number, and waits for it.
begin() {
    # shellcheck disable=SC2086
    $wrapper sh "$0" run "$home" "$mask" "$1" "$2" &
    runner=$!
    # The line is kept alive, and that it is lost is noticed at the other end.
    while sleep 5 >/dev/null 2>&1; do say alive; done &
    beat=$!
    wait "$runner"
    kill "$beat"
}

look() {
    tries=0
    while [ "$tries" -lt 3 ]; do
        last=10000000
        for run in [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]; do
            [ ! -e "$run" ] || last=$run
        done
        mine=$(with "job $job" | tail -n 1)
        [ -z "$mine" ] || [ "$(field "$mine" attempt)" -ge "$attempt" ] || mine=''
        if [ -n "$mine" ]; then
            stand "$mine"
            await "$mine"
            [ "$mode $standing" = 'settle lost' ] || { report "$mine" && return; }
        elif [ "$mode" = ask ]; then
            say absent
            return
        fi
        if [ "$last" -gt 10000000 ]; then
            stand "$last"
            [ "$standing" != running ] || { say busy "$(field "$last" job)" && return; }
        fi
        [ -f "$path" ] || { say missing "$path" && return; }
        kind=upgrade
        [ "$mode" = begin ] || kind=settle
        begin "$((last + 1))" "$kind"
        tries=$((tries + 1))
    done
    say busy
}

# Says what was done here last, and what the version command says.
tell() {
    find_done
    [ -z "$found" ] || sed 's/^/intraware marker /' "$found"
    say output
    [ "$has_version" = no ] || tell_version
}

case $act in
run) run "$@" ;;
*) if [ "$mode" = version ]; then tell; else look; fi ;;
esac
rm -f "$0"
