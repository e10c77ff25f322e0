//! Machines: an sshd each, at an address of its own on loopback, with a directory of its own at `/mnt`; and
//! what is there instead of some of them.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::failure::{Doing as _, Failure};
use crate::{measure, tree};

/// Where each machine sees its own directory.
pub(crate) const HERE: &str = "/mnt";

/// The port of all of them.
const PORT: u16 = 22022;

/// What is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All is well there.
    Healthy,
    /// Its upgrade program ends with 3.
    Fails,
    /// Its upgrade program never ends.
    Hangs,
    /// Nothing listens.
    Refuses,
    /// Nothing answers, not even to the first packet.
    Swallows,
    /// Connections are taken, and nothing is said.
    Silent,
    /// Connections are taken and closed.
    Closes,
}

impl Kind {
    fn is_machine(self) -> bool {
        match self {
            Self::Healthy | Self::Fails | Self::Hangs => true,
            Self::Refuses | Self::Swallows | Self::Silent | Self::Closes => false,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Fails => "#!/bin/sh\nexit 3\n",
            Self::Hangs => "#!/bin/sh\nexec sleep 100000\n",
            Self::Healthy | Self::Refuses | Self::Swallows | Self::Silent | Self::Closes => {
                "#!/bin/sh\nprintf '%s\\n' \"$1\" >>/mnt/upgraded\n"
            }
        }
    }
}

/// Machines, and the key that all of them let in.
pub(crate) struct Fleet {
    dir: PathBuf,
    machines: Vec<Machine>,
}

pub(crate) struct Machine {
    pub(crate) kind: Kind,
    dir: PathBuf,
    server: Option<Child>,
    /// What keeps an address from answering.
    _silence: Option<(TcpListener, Vec<TcpStream>)>,
}

impl Fleet {
    /// Starts what is to be at each address.
    pub(crate) fn start(dir: &Path, kinds: &[Kind]) -> Result<Self, Failure> {
        tree::clear(dir)?;
        fs::create_dir_all("/run/sshd").doing(|| "cannot make /run/sshd".to_owned())?;
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            measure::output(
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"]).arg(dir.join(key)),
            )?;
        }
        let mut fleet = Self { dir: dir.to_owned(), machines: Vec::new() };
        for (place, kind) in kinds.iter().enumerate() {
            let machine = fleet.machine(place, *kind)?;
            fleet.machines.push(machine);
        }
        let host = fs::read_to_string(dir.join("host.pub")).doing(|| "cannot read a key".to_owned())?;
        let lines: String = (0..kinds.len()).map(|place| format!("[{}]:{PORT} {host}", ip(place))).collect();
        fs::write(fleet.known_hosts(), lines).doing(|| "cannot write known_hosts".to_owned())?;
        for (place, machine) in fleet.machines.iter().enumerate() {
            if machine.kind.is_machine() {
                wait_for(address(place))?;
            }
        }
        Ok(fleet)
    }

    pub(crate) fn private_key(&self) -> PathBuf {
        self.dir.join("client")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// Returns the addresses of those that are of these kinds.
    pub(crate) fn hosts(&self, is_meant: impl Fn(Kind) -> bool) -> Vec<SocketAddr> {
        let all = self.machines.iter().enumerate();
        all.filter(|(_, machine)| is_meant(machine.kind)).map(|(place, _)| address(place)).collect()
    }

    /// Has every machine be as if nothing had ever got there. What was there is put aside: ext4 without a
    /// journal makes no file in the place of one that was removed in the last minutes, and looks for another
    /// one, which takes time.
    pub(crate) fn clear(&self, run: &str) -> Result<(), Failure> {
        for machine in &self.machines {
            // The directory itself stays, which the machine has mounted.
            let aside = machine.dir.join(format!("before-{run}"));
            tree::clear(&aside)?;
            for name in ["in", "markers", "tmp"] {
                let (here, there) = (machine.dir.join(name), aside.join(name));
                if here.exists() {
                    fs::rename(&here, there).doing(|| format!("cannot rename {}", here.display()))?;
                }
                tree::clear(&here)?;
            }
            fs::write(machine.dir.join("upgraded"), "").doing(|| "cannot write a file".to_owned())?;
            let program = machine.dir.join("upgrade");
            fs::write(&program, machine.kind.program())
                .and_then(|()| fs::set_permissions(&program, Permissions::from_mode(0o755)))
                .doing(|| format!("cannot write {}", program.display()))?;
        }
        rustix::fs::sync();
        Ok(())
    }

    /// Checks that each healthy machine has these packages, each upgraded once; and returns when the last one
    /// was.
    pub(crate) fn check(&self, packages: &[PathBuf], directory: &str) -> Result<SystemTime, Failure> {
        let mut last = SystemTime::UNIX_EPOCH;
        for machine in self.machines.iter().filter(|machine| machine.kind == Kind::Healthy) {
            let mut wanted = Vec::new();
            for package in packages {
                let name = package.file_name().unwrap_or_default();
                let there = machine.dir.join(directory).join(name);
                measure::output(Command::new("cmp").arg(package).arg(&there))?;
                wanted.push(format!("{HERE}/{directory}/{}", name.display()));
            }
            let upgraded = machine.dir.join("upgraded");
            let failed = || format!("cannot read {}", upgraded.display());
            let text = fs::read_to_string(&upgraded).doing(failed)?;
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            if lines != wanted {
                return Err(Failure::new(format!(
                    "{} has not each package once: {text}",
                    upgraded.display()
                )));
            }
            let changed = fs::metadata(&upgraded).and_then(|seen| seen.modified()).doing(failed)?;
            last = last.max(changed);
        }
        Ok(last)
    }

    fn machine(&self, place: usize, kind: Kind) -> Result<Machine, Failure> {
        let dir = self.dir.join(format!("machine-{place}"));
        fs::create_dir(&dir).doing(|| format!("cannot make {}", dir.display()))?;
        let (mut server, mut silence) = (None, None);
        let listen =
            || TcpListener::bind(address(place)).doing(|| format!("cannot listen at {}", address(place)));
        match kind {
            Kind::Healthy | Kind::Fails | Kind::Hangs => server = Some(self.serve(place, &dir)?),
            Kind::Refuses => {}
            Kind::Silent => silence = Some((listen()?, Vec::new())),
            Kind::Swallows => {
                let listener = listen()?;
                // When as many wait as may wait, the kernel drops what else comes.
                let mut waiting = Vec::new();
                while let Ok(stream) = TcpStream::connect_timeout(&address(place), Duration::from_millis(300))
                {
                    waiting.push(stream);
                }
                silence = Some((listener, waiting));
            }
            Kind::Closes => {
                let listener = listen()?;
                thread::spawn(move || listener.incoming().for_each(drop));
            }
        }
        Ok(Machine { kind, dir, server, _silence: silence })
    }

    fn serve(&self, place: usize, dir: &Path) -> Result<Child, Failure> {
        let config = self.dir.join(format!("sshd-{place}"));
        let (host, client) = (self.dir.join("host"), self.dir.join("client.pub"));
        let text = format!(
            "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nLogLevel ERROR\n\
             Subsystem sftp internal-sftp\n",
            address(place),
            host.display(),
            client.display(),
        );
        fs::write(&config, text).doing(|| format!("cannot write {}", config.display()))?;
        // What the profile of whoever measures does is not what is measured: each command begins with a login
        // shell.
        let script = format!(
            "mount --bind \"$0\" {HERE} && for f in ~root/.bashrc ~root/.bash_profile ~root/.profile /etc/bash.bashrc; do \
             [ ! -f \"$f\" ] || mount --bind /dev/null \"$f\" || exit 1; done; exec /usr/sbin/sshd -D -e -f \"$1\""
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).arg(dir).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().doing(|| "cannot start sshd".to_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // One that has ended is as dead as wanted.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn ip(place: usize) -> String {
    format!("127.1.{}.{}", place / 250, place % 250 + 1)
}

fn address(place: usize) -> SocketAddr {
    SocketAddr::new(ip(place).parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()), PORT)
}

fn wait_for(address: SocketAddr) -> Result<(), Failure> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(Failure::new(format!("the sshd at {address} does not start")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
