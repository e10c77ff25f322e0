//! The audit: for builds in every state there is, `--dry-run` says what will be done and why, and does
//! nothing.
//!
//! Nothing means: not a byte, a mode, a time of a file, in the spool, at the site, beside the records, in the
//! cache or the log; no call to the record store but logging in and reading; and, as strace sees it, no
//! system call that could change anything but standard output. The real run that follows does what was
//! printed, word for word.

mod audit;
mod scene;

use std::collections::BTreeMap;
use std::fs;

use intraware_tests::support::sshd::Access;
use intraware_tests::{Bench, Builder, Program, Run};
use scene::Scene;
use serde_json::Value;

/// Returns what is said about a build: the words between its name, id and status, and the end of the line.
#[track_caller]
fn said<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(&format!("{name} (")));
    let line = line.unwrap_or_else(|| panic!("nothing is said about {name}:\n{text}"));
    line.split_once("): ").expect("a build's line").1
}

/// Checks each line that `manage` prints for the scene.
fn check_words_of_manage(scene: &Scene, text: &str) {
    let is = |name: &str, wanted: &str| assert_eq!(said(text, name), wanted, "what is said about {name}");
    let hand_over =
        |name: &str| format!("put the sidecars to the site, queue for upload as blast/{name}/{name}.tar.gz");
    let prepare = |name: &str, files: u64, bytes: u64| {
        format!("archive {files} entries ({bytes} bytes), sign, stage, set In Process, {}", hand_over(name))
    };
    let whole = |name: &str| format!("blast/{name}/{name}.tar.gz is whole at the site (verified by ");
    let confirm = "): set Completed and Ready for Intraware File Association";
    is("new", &prepare("new", 3, 5003));
    is("back", &prepare("back", 2, 4));
    is(
        "reset",
        &format!(
            "take over job {} from upload, set In Process, {}",
            scene.job_id("reset"),
            hand_over("reset")
        ),
    );
    let stale = "the record was reset, or the build directory has changed";
    is(
        "changed",
        &format!(
            "park job {} from upload: {stale}; {}",
            scene.job_id("changed"),
            prepare("changed", 3, 5008)
        ),
    );
    is("staged", &format!("go on with job {} from staged: {}", scene.job_id("staged"), hand_over("staged")));
    is("parked", &format!("go on with job {} from parked: {}", scene.job_id("parked"), hand_over("parked")));
    is("waiting", &format!("nothing, job {} waits for `upload`", scene.job_id("waiting")));
    for name in ["sent", "delivered"] {
        let said = said(text, name);
        assert!(said.starts_with(&whole(name)) && said.ends_with(confirm), "{said}");
    }
    is(
        "nowhere",
        "set Error: payload lost: it is neither in the spool nor whole at the site (the payload is missing)",
    );
    let damaged = said(text, "damaged");
    assert!(
        damaged.starts_with("set Error: the local payload of blast/damaged/damaged.tar.gz is damaged: "),
        "{damaged}"
    );
    let missing =
        format!("set Error: Build Not Found: {}", scene.bench.build_root().join("blast/missing").display());
    assert!(said(text, "missing").starts_with(&missing), "{}", said(text, "missing"));
    let again = said(text, "still-missing");
    assert!(
        again.starts_with("nothing before 20") && again.contains(", the last try failed: Build Not Found: "),
        "{again}"
    );
    for name in ["held", "held-in-upload"] {
        let held = said(text, name);
        assert!(held.starts_with("nothing, it is held since 20"), "{held}");
        assert!(
            held.contains(": wrong licence (`manage unhold ") && held.ends_with("` lets it go)"),
            "{held}"
        );
    }
    let withdrawn = scene.job_id("withdrawn");
    let park = format!("park job {withdrawn} from upload: the record is on Do Not Release");
    is("withdrawn", &format!("{park}; nothing, the record is on Do Not Release"));
    let chores: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("spool: ")).collect();
    assert!(
        chores
            .iter()
            .any(|chore| chore.starts_with("remove work/") && chore.ends_with(", left by a run that died"))
    );
    assert!(chores.contains(&"park staged/lost+found: its name does not name a job"), "{chores:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("stopped (") || line.starts_with("completed (")),
        "{text}"
    );
}

/// Returns the payload's path at a place, which a plan names by its directory.
fn payload_of(place: &Value) -> String {
    let dir = place.as_str().expect("a place");
    format!("{dir}/{}.tar.gz", dir.rsplit('/').next().unwrap_or(dir))
}

/// Returns what a run must say that it has done for a build, from the steps that were planned for it. Numbers
/// that only the work itself brings out are written as `#`.
fn deeds(build: &Value) -> Vec<String> {
    let steps = build["steps"].as_array().expect("steps");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let hand_over = |place: &Value| {
        ["put the sidecars to the site".to_owned(), format!("queued for upload as {}", payload_of(place))]
    };
    let take_over = |job: &Value| {
        let room = text(&job["room"]);
        (room != "staged").then(|| format!("took over job {} from {room}", text(&job["id"])))
    };
    let deeds_of = |step: &Value| -> Vec<String> {
        let (job, place) = (&step["job"], &step["job"]["manifest"]["place"]);
        match step["do"].as_str().expect("a step says what it does") {
            "prepare" => {
                let first = ["staged # bytes as job #".to_owned(), "set In Process".to_owned()];
                first.into_iter().chain(hand_over(&step["place"])).collect()
            }
            "adopt" => take_over(job)
                .into_iter()
                .chain(["set In Process".to_owned()])
                .chain(hand_over(place))
                .collect(),
            "hand-over" => take_over(job).into_iter().chain(hand_over(place)).collect(),
            "confirm" => {
                let retired =
                    job.is_object().then(|| "removed the delivered payload from the spool".to_owned());
                let done = format!(
                    "verified {} at the site, set Completed and Ready for Intraware File Association",
                    payload_of(&step["place"])
                );
                [done].into_iter().chain(retired).collect()
            }
            "park" => vec![format!("parked job {}: {}", text(&job["id"]), text(&step["reason"]))],
            "fail" => vec![],
            other => panic!("a step called {other}"),
        }
    };
    steps.iter().flat_map(deeds_of).collect()
}

/// Compares a real run's account with the plan that was printed before.
fn check_deeds(plan: &Value, account: &Value) {
    let outcomes: BTreeMap<&str, &Value> = account["builds"]
        .as_array()
        .expect("outcomes")
        .iter()
        .map(|o| (o["name"].as_str().expect("a name"), o))
        .collect();
    let builds = plan["builds"].as_array().expect("builds");
    let busy: BTreeMap<&str, &Value> = builds
        .iter()
        .filter(|build| !build["steps"].as_array().expect("steps").is_empty())
        .map(|build| (build["record"]["name"].as_str().expect("a name"), build))
        .collect();
    assert_eq!(
        outcomes.keys().collect::<Vec<_>>(),
        busy.keys().collect::<Vec<_>>(),
        "the builds that were worked on"
    );
    for (name, build) in busy {
        let outcome = outcomes[name];
        let done = outcome["done"].as_array().expect("deeds").iter().map(|deed| {
            let deed = deed.as_str().expect("a deed");
            if deed.starts_with("staged ") { "staged # bytes as job #".to_owned() } else { deed.to_owned() }
        });
        assert_eq!(done.collect::<Vec<_>>(), deeds(build), "what was done for {name}");
        let failing = build["steps"].as_array().expect("steps").iter().find(|step| step["do"] == "fail");
        match failing {
            Some(step) => assert_eq!(outcome["end"]["reason"], step["reason"], "{name}"),
            None => assert_eq!(outcome["end"]["is"], "done", "{name}"),
        }
    }
}

fn dry_run_and_then_do(builder: Builder) {
    let scene = Scene::set(builder);
    check_named_builds(&scene);
    scene.empty_caches();
    let printed = scene.audit(Program::Manage, &["run", "--dry-run"]).stdout;
    check_words_of_manage(&scene, &printed);
    let plan = scene.audit(Program::Manage, &["run", "--dry-run", "--json"]).json();
    let run = scene.bench.manage(&["run", "--json", "-v"]).expect(1);
    check_deeds(&plan, &run.json());
    check_announced(&printed, &run);
    let chores = ["spool/work", "spool/staged"]
        .map(|dir| fs::read_dir(scene.bench.path(dir)).expect("a room").count());
    assert_eq!(chores, [0, 0], "chores that were printed are not done");

    let printed = scene.audit(Program::Upload, &["run", "--dry-run"]).stdout;
    check_words_of_upload(&scene, &printed);
    let plan = scene.audit(Program::Upload, &["run", "--dry-run", "--json"]).json();
    let run = scene.bench.upload(&["run", "--json", "-v"]).expect(0);
    check_uploads(&plan, &run.json());
    check_announced(&printed, &run);
}

/// Checks that a real run says of each build, word for word, what was printed before.
fn check_announced(printed: &str, run: &Run) {
    for line in printed.lines().filter(|line| !line.starts_with("spool: ")) {
        assert!(run.stderr.contains(line), "the real run does not say {line:?}: {run:?}");
    }
}

fn check_named_builds(scene: &Scene) {
    let one = |name: &str| scene.audit(Program::Manage, &["run", "--dry-run", "--build", name]).stdout;
    assert_eq!(said(&one("stopped"), "stopped"), "nothing, the record is on Do Not Release");
    assert_eq!(said(&one("completed"), "completed"), "nothing more, it is delivered and released");
    let missing = one("still-missing");
    assert!(
        said(&missing, "still-missing").starts_with("set Error: Build Not Found: "),
        "by name there is no pause: {missing}"
    );
    assert_eq!(missing.lines().count(), 1, "only what was asked for: {missing}");
}

fn check_words_of_upload(scene: &Scene, text: &str) {
    let due = ["back", "changed", "new", "parked", "reset", "staged", "waiting"];
    for name in due {
        let payload =
            scene.bench.path("spool/upload").join(scene.upload_job(name)).join(format!("{name}.tar.gz"));
        let size = fs::metadata(payload).expect("a payload").len();
        assert_eq!(said(text, name), format!("deliver {size} bytes as blast/{name}/{name}.tar.gz"));
    }
    let held = said(text, "held-in-upload");
    assert!(
        held.starts_with("nothing, it is held since 20") && held.contains(": wrong licence (`manage unhold "),
        "{held}"
    );
    assert_eq!(text.lines().count(), due.len() + 1, "{text}");
}

fn check_uploads(plan: &Value, account: &Value) {
    let due = plan["jobs"].as_array().expect("jobs").iter().filter(|job| job["verdict"]["do"] == "deliver");
    let due: Vec<(&Value, String)> = due
        .map(|job| {
            let manifest = &job["job"]["manifest"];
            let size = &manifest["digests"]["size"];
            (
                &manifest["name"],
                format!("delivered {}: {size} bytes, verified by ", payload_of(&manifest["place"])),
            )
        })
        .collect();
    let outcomes = account["builds"].as_array().expect("outcomes");
    assert_eq!(outcomes.len(), due.len());
    for (outcome, (name, deed)) in outcomes.iter().zip(due) {
        assert_eq!(
            (&outcome["name"], &outcome["end"]["is"]),
            (name, &Value::from("done")),
            "in the order that was printed"
        );
        let done = outcome["done"][0].as_str().expect("a deed");
        assert!(done.starts_with(&deed), "{done:?} is not {deed:?}");
    }
}

#[test]
fn s0_06_s0_07_s0_08_s0_09_s0_10_dry_run_on_every_state_with_sqlite_and_a_directory() {
    dry_run_and_then_do(Bench::builder());
}

#[test]
fn s0_06_s0_07_s0_08_s0_09_s0_10_dry_run_on_every_state_with_salesforce_and_sshd() {
    dry_run_and_then_do(Bench::builder().salesforce().sshd(Access::Shell));
}
