//! What one client says, and what is done about it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;

use super::disk::{absolute, real};
use super::listing::{facts, lines};
use super::wire::{Wire, config};
use super::{GoingOn, Habits, Ports, Shared, Tls};

/// How long a connection for data is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves one client until it leaves.
pub(super) fn serve(shared: &Shared, client: TcpStream) {
    let habits = shared.habits();
    // Then the second piece of an answer waits until the first is acknowledged.
    client.set_nodelay(!habits.answers_in_pieces).expect("a socket option");
    let talk = Talk {
        shared,
        habits,
        tls: config(&shared.certificates),
        wire: Wire::Plain(client),
        entered: "/".into(),
        from: 0,
        renaming: None,
        data: None,
        protects_data: false,
    };
    // A client that has gone needs no answer.
    let _ = talk.run();
}

struct Talk<'s> {
    shared: &'s Shared,
    habits: Habits,
    tls: Arc<ServerConfig>,
    wire: Wire,
    entered: String,
    from: u64,
    renaming: Option<PathBuf>,
    data: Option<TcpListener>,
    protects_data: bool,
}

impl Talk<'_> {
    fn run(mut self) -> io::Result<()> {
        self.say("220 odd")?;
        while let Some(line) = self.wire.line() {
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            self.shared.commands.lock().expect("no panic holds it").push(line.clone());
            match verb {
                "QUIT" => return self.say("221 bye"),
                "AUTH" => self = self.secure()?,
                verb if self.habits.lacks.contains(&verb) => self.say("500 what?")?,
                verb => self.answer(verb, argument)?,
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{text}\r\n");
        if self.habits.answers_in_pieces {
            let (head, tail) = text.split_at(text.len() / 2);
            self.wire.write_all(head.as_bytes())?;
            self.wire.flush()?;
            self.wire.write_all(tail.as_bytes())?;
        } else {
            self.wire.write_all(text.as_bytes())?;
        }
        self.wire.flush()
    }

    fn secure(mut self) -> io::Result<Self> {
        if self.habits.tls == Tls::None {
            self.say("502 no")?;
            return Ok(self);
        }
        self.say("234 go on")?;
        if let Tls::ExplicitRaced(times) = self.habits.tls
            && self.shared.raced.fetch_add(1, Ordering::SeqCst) < times
        {
            self.wire.read_exact(&mut [0; 16])?;
            self.say("500 what?")?;
        }
        self.wire = self.wire.secure(&self.tls, None)?;
        Ok(self)
    }

    fn answer(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        let at = absolute(&self.entered, argument);
        let real = real(&self.shared.root(), &at);
        let absent = self.habits.absent;
        match verb {
            "USER" => self.say("331 password?"),
            "PASS" => self.say("230 in"),
            "PBSZ" if self.habits.tls == Tls::ExplicitControlOnly => self.say("550 no"),
            "PROT" => {
                self.protects_data = true;
                self.say("200 done")
            }
            "PBSZ" | "TYPE" | "OPTS" | "NOOP" => self.say("200 done"),
            "FEAT" => match self.habits.features {
                Some(features) => {
                    let lines: String = features.iter().map(|line| format!(" {line}\r\n")).collect();
                    self.say(&format!("211-Features\r\n{lines}211 End"))
                }
                None => self.say("500 what?"),
            },
            "PWD" => {
                let text = format!("257 \"{}\"", self.entered);
                self.say(&text)
            }
            "CWD" if real.is_dir() => {
                self.entered = at;
                self.say("250 done")
            }
            "MKD" => self.say_whether(fs::create_dir(real), "257 \"made\""),
            "DELE" => self.say_whether(fs::remove_file(real), "250 done"),
            "SIZE" if real.is_file() => {
                let size = fs::metadata(&real)?.len();
                self.say(&format!("213 {size}"))
            }
            "MLST" if self.habits.facts_are_local && argument.starts_with('/') => self.say("550 no"),
            "MLST" => match facts(&real) {
                Some(facts) => self.say(&format!("250-Facts\r\n {facts} {argument}\r\n250 End")),
                None => self.say(&format!("{absent} no such thing")),
            },
            "RNFR" if real.exists() => {
                self.renaming = Some(real);
                self.say("350 to?")
            }
            "RNTO" => match self.renaming.take() {
                Some(from) => self.say_whether(fs::rename(from, real), "250 done"),
                None => self.say("503 what first?"),
            },
            "REST" => match argument.parse() {
                Ok(from) => {
                    self.from = from;
                    self.say("350 go on")
                }
                Err(_) => self.say("501 what?"),
            },
            "STAT" if argument == "-a" && self.habits.stat_lists => {
                let lines = self.lines();
                self.say(&format!("213-Status\r\n{lines}213 End"))
            }
            "STAT" => self.say("211 well"),
            "SITE" => self.chmod(argument),
            "EPSV" | "PASV" => self.listen(verb),
            "LIST" | "MLSD" | "RETR" | "STOR" | "APPE" => self.transfer(verb, real),
            "CWD" | "SIZE" | "RNFR" => self.say(&format!("{absent} no such thing")),
            _ => self.say("500 what?"),
        }
    }

    fn say_whether(&mut self, result: io::Result<()>, done: &str) -> io::Result<()> {
        match result {
            Ok(()) => self.say(done),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let text = format!("{} no such thing", self.habits.absent);
                self.say(&text)
            }
            Err(err) => self.say(&format!("550 {err}")),
        }
    }

    fn lines(&self) -> String {
        lines(self.habits.listing, &real(&self.shared.root(), &self.entered), self.habits.lists_itself)
    }

    fn chmod(&mut self, argument: &str) -> io::Result<()> {
        let mut words = argument.splitn(3, ' ');
        let (Some("CHMOD"), Some(mode), Some(path)) = (words.next(), words.next(), words.next()) else {
            return self.say("500 what?");
        };
        let real = real(&self.shared.root(), &absolute(&self.entered, path));
        let mode = u32::from_str_radix(mode, 8).map_err(io::Error::other)?;
        self.say_whether(
            fs::set_permissions(real, std::os::unix::fs::PermissionsExt::from_mode(mode)),
            "200 done",
        )
    }

    fn listen(&mut self, verb: &str) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        if verb == "PASV" {
            self.data = Some(listener).filter(|_| self.habits.ports != Ports::PassiveRefused);
            let [high, low] = port.to_be_bytes();
            return self.say(&format!("227 here (127,0,0,1,{high},{low})"));
        }
        match self.habits.ports {
            Ports::Both | Ports::PassiveRefused => self.data = Some(listener),
            Ports::ExtendedRefused => drop(listener),
            Ports::ExtendedSilent => {
                // A queue that is full takes nobody any more, and says nothing.
                rustix::net::listen(&listener, 0)?;
                let address = listener.local_addr()?;
                for _ in 0..2 {
                    let fill = TcpStream::connect_timeout(&address, Duration::from_millis(200));
                    self.shared.open.lock().expect("no panic holds it").extend(fill);
                }
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(60));
                    drop(listener);
                });
            }
        }
        self.say(&format!("229 here (|||{port}|)"))
    }

    fn transfer(&mut self, verb: &str, real: PathBuf) -> io::Result<()> {
        let from = std::mem::take(&mut self.from);
        let Some(listener) = self.data.take() else { return self.say("425 no port") };
        let file = match verb {
            "RETR" => File::open(&real).map(Some),
            "STOR" => OpenOptions::new().write(true).create(true).truncate(from == 0).open(&real).map(Some),
            "APPE" => OpenOptions::new().append(true).create(true).open(&real).map(Some),
            _ => Ok(None),
        };
        let mut file = match file {
            Ok(file) => file,
            Err(err) => return self.say_whether(Err(err), ""),
        };
        if self.habits.tls == Tls::ExplicitDataFirst {
            let Ok(wire) = self.accept(&listener) else { return self.say("425 nobody came") };
            self.say("150 now")?;
            return self.pass(verb, file.as_mut(), from, wire);
        }
        self.say("150 now")?;
        match self.accept(&listener) {
            Ok(wire) => self.pass(verb, file.as_mut(), from, wire),
            Err(_) => self.say("425 nobody came"),
        }
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<Wire> {
        let socket = listener.accept()?.0;
        self.shared.keep(&socket);
        let wire = Wire::Plain(socket);
        if self.protects_data { wire.secure(&self.tls, Some(PATIENCE)) } else { Ok(wire) }
    }

    fn pass(&mut self, verb: &str, file: Option<&mut File>, from: u64, mut wire: Wire) -> io::Result<()> {
        let mut taken = 0;
        match (verb, file) {
            ("STOR" | "APPE", Some(file)) => {
                let goes_on = from > 0 || (verb == "APPE" && file.metadata()?.len() > 0);
                match self.habits.going_on {
                    GoingOn::Stalls if goes_on => {
                        thread::sleep(Duration::from_secs(600));
                        return Ok(());
                    }
                    GoingOn::Fails if goes_on => {
                        wire.finish();
                        return self.say("450 error during transfer: function not implemented");
                    }
                    GoingOn::Does | GoingOn::Stalls | GoingOn::Fails => {}
                }
                if from > 0 {
                    file.seek(SeekFrom::Start(from))?;
                }
                let room = self.habits.longest - from.min(self.habits.longest);
                taken = io::copy(&mut (&mut wire).take(room), file)?;
                if io::copy(&mut wire, &mut io::sink())? > 0 {
                    wire.finish();
                    return self.say("451 file too large");
                }
            }
            ("RETR", Some(file)) => {
                file.seek(SeekFrom::Start(from))?;
                io::copy(file, &mut wire)?;
            }
            ("MLSD", _) => {
                let dir = real(&self.shared.root(), &self.entered);
                for entry in fs::read_dir(&dir)?.flatten() {
                    let facts = facts(&entry.path()).unwrap_or_default();
                    writeln!(wire, "{facts} {}\r", entry.file_name().to_string_lossy())?;
                }
            }
            _ => wire.write_all(self.lines().as_bytes())?,
        }
        wire.finish();
        thread::sleep(Duration::from_nanos(taken * self.habits.flush_ns_per_byte));
        self.say("226 done")
    }
}
