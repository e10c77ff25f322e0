//! The SFTP subsystem over one channel, with any number of questions under way.
//!
//! libssh2 has functions for SFTP, each of which asks one thing and waits for the answer, so that far away a
//! small file costs a round trip for each of a dozen steps. A server answers in turn whatever it is asked:
//! here one says several things at once ([`Subsystem::say`]) and hears the answers afterwards
//! ([`Subsystem::hear`]). Of libssh2 only the channel is used.
//!
//! Nothing here blocks by itself; every wait is the [`Wire`]'s.

use std::collections::{HashMap, HashSet};

use super::failure::Failure;
use super::link::Link;
use super::packet::{self, Answer, Attributes, Extensions, Handle, Request, status};
use super::wire::{Channel, Wire, Words};
use intraware_core::site::pace::Patience;

/// Bytes read and written at a time, unless the server says that it takes more: what every server must take.
const USUAL: usize = 32 << 10;

/// The most that is read or written at a time: as much as OpenSSH takes, which fills eight packets of
/// libssh2's.
const MOST: u64 = 255 << 10;

/// Bytes that are taken from the channel at a time.
const TAKEN: usize = 64 << 10;

/// A running subsystem.
pub(super) struct Subsystem<C = ssh2::Channel> {
    channel: C,
    out: Words,
    /// Whether it was heard to run.
    has_begun: bool,
    /// What has arrived of answers that are not whole yet.
    arrived: Vec<u8>,
    /// Where the channel puts what has arrived.
    buffer: Box<[u8]>,
    last_id: u32,
    /// The questions that are not answered yet.
    open: HashSet<u32>,
    /// Those of them whose answers nobody wants any more.
    forgotten: HashSet<u32>,
    /// Answers that nobody has heard yet.
    answers: HashMap<u32, Answer>,
    pub(super) extensions: Extensions,
    pub(super) longest_read: u32,
    pub(super) longest_write: usize,
}

/// A question that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked(u32);

impl Subsystem {
    /// Starts the subsystem. As OpenSSH's client does, it is greeted before the server has said that there is
    /// one. Where it ends at once, that is not the end of the connection: a server may let one have fewer of
    /// them than of channels.
    pub(super) fn start(link: &Link) -> Result<Self, Failure> {
        let mut this = Self::over(link.ask(|| Ok(link.ssh.channel_session()?))?);
        this.out.end().extend(packet::greeting());
        this.request(link)?;
        let welcome = link.ask(|| this.hear_packet(link))?;
        this.extensions = packet::welcome(&welcome).ok_or_else(|| garbled(link))?;
        this.has_begun = true;
        Ok(this)
    }

    /// Asks for the subsystem, and greets it once that is out.
    fn request(&mut self, link: &Link) -> Result<(), Failure> {
        if link.now(|| Ok(self.channel.subsystem("sftp")?))?.is_some() {
            return Ok(());
        }
        link.ask(|| {
            self.push(link)?;
            Ok(self.channel.subsystem("sftp")?)
        })
    }
}

impl<C: Channel> Subsystem<C> {
    /// Speaks over a channel to what has said nothing yet.
    pub(super) fn over(channel: C) -> Self {
        Self {
            channel,
            out: Words::default(),
            has_begun: false,
            arrived: Vec::new(),
            buffer: vec![0; TAKEN].into(),
            last_id: 0,
            open: HashSet::new(),
            forgotten: HashSet::new(),
            answers: HashMap::new(),
            extensions: Extensions::default(),
            longest_read: USUAL as u32,
            longest_write: USUAL,
        }
    }

    /// Asks how much may be read and written at a time, if the server tells.
    pub(super) fn say_limits(&mut self) -> Option<Asked> {
        self.extensions.tells_limits.then(|| self.say(Request::Limits))
    }

    /// Hears how much may be read and written at a time.
    pub(super) fn hear_limits(&mut self, link: &C::Wire, asked: Asked) -> Result<(), Failure> {
        match self.hear(link, asked) {
            Ok(answer) => self.set_limits(&answer),
            // What every server takes will do.
            Err(Failure::Status(_)) => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Says something, which goes on its way with the next wait.
    pub(super) fn say(&mut self, request: Request<'_>) -> Asked {
        self.last_id = self.last_id.wrapping_add(1);
        request.write(self.last_id, self.out.end());
        self.open.insert(self.last_id);
        Asked(self.last_id)
    }

    /// Waits for the answer to something that was said. A refusal is an error.
    pub(super) fn hear(&mut self, link: &C::Wire, asked: Asked) -> Result<Answer, Failure> {
        match link.ask(|| self.step(link, asked))? {
            Answer::Status(status) if status != status::OK => Err(Failure::Status(status)),
            answer => Ok(answer),
        }
    }

    /// Asks something and waits for the answer. A refusal is an error.
    pub(super) fn ask(&mut self, link: &C::Wire, request: Request<'_>) -> Result<Answer, Failure> {
        let asked = self.say(request);
        self.hear(link, asked)
    }

    /// Waits until something is done that has no other answer.
    pub(super) fn hear_done(&mut self, link: &C::Wire, asked: Asked) -> Result<(), Failure> {
        match self.hear(link, asked)? {
            Answer::Status(_) => Ok(()),
            _ => Err(garbled(link)),
        }
    }

    /// Does the same where that may take longer than an answer does.
    pub(super) fn hear_done_within(
        &mut self,
        link: &C::Wire,
        asked: Asked,
        patience: Patience,
    ) -> Result<(), Failure> {
        match link.drive(patience, || self.step(link, asked))? {
            Answer::Status(status::OK) => Ok(()),
            Answer::Status(status) => Err(Failure::Status(status)),
            _ => Err(garbled(link)),
        }
    }

    /// Has something done that has no other answer.
    pub(super) fn ask_done(&mut self, link: &C::Wire, request: Request<'_>) -> Result<(), Failure> {
        let asked = self.say(request);
        self.hear_done(link, asked)
    }

    /// Waits for what is said of a file.
    pub(super) fn hear_attributes(&mut self, link: &C::Wire, asked: Asked) -> Result<Attributes, Failure> {
        match self.hear(link, asked)? {
            Answer::Attributes(attributes) => Ok(attributes),
            _ => Err(garbled(link)),
        }
    }

    /// Asks about a file.
    pub(super) fn ask_attributes(
        &mut self,
        link: &C::Wire,
        request: Request<'_>,
    ) -> Result<Attributes, Failure> {
        let asked = self.say(request);
        self.hear_attributes(link, asked)
    }

    /// Waits for a file or a directory to be open.
    pub(super) fn hear_handle(&mut self, link: &C::Wire, asked: Asked) -> Result<Handle, Failure> {
        match self.hear(link, asked)? {
            Answer::Handle(handle) => Ok(handle),
            _ => Err(garbled(link)),
        }
    }

    /// Opens a file or a directory.
    pub(super) fn ask_handle(&mut self, link: &C::Wire, request: Request<'_>) -> Result<Handle, Failure> {
        let asked = self.say(request);
        self.hear_handle(link, asked)
    }

    /// Asks for names; `None` at the end of a directory.
    pub(super) fn hear_names(
        &mut self,
        link: &C::Wire,
        asked: Asked,
    ) -> Result<Option<Vec<String>>, Failure> {
        match self.hear(link, asked) {
            Ok(Answer::Names(names)) => Ok(Some(names)),
            Ok(_) => Err(garbled(link)),
            Err(Failure::Status(status::EOF)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Lets the answer to something that was said be, whenever it comes.
    pub(super) fn forget(&mut self, asked: Asked) {
        if self.open.contains(&asked.0) {
            self.forgotten.insert(asked.0);
        }
        self.answers.remove(&asked.0);
    }

    /// Says that a file or directory is closed, and does not wait for an answer.
    pub(super) fn close(&mut self, handle: &[u8]) {
        let asked = self.say(Request::Close { handle });
        self.forget(asked);
    }

    /// Passes on what was said and takes what has arrived, until the answer is there. An error where that has
    /// to wait.
    pub(super) fn step(&mut self, link: &C::Wire, asked: Asked) -> Result<Answer, Failure> {
        loop {
            self.push(link)?;
            if let Some(answer) = self.take(asked) {
                return Ok(answer);
            }
            self.pull(link)?;
        }
    }

    /// Returns the answer to something that was said, if it has arrived.
    pub(super) fn take(&mut self, asked: Asked) -> Option<Answer> {
        self.answers.remove(&asked.0)
    }

    /// Returns whether something has arrived for the channel that was not taken from it yet.
    pub(super) fn has_arrived(&self) -> bool {
        self.channel.has_arrived()
    }

    /// Passes on what was said, as far as the server lets be under way; returns whether that is all.
    pub(super) fn push(&mut self, link: &C::Wire) -> Result<bool, Failure> {
        self.out.push(&mut self.channel, link).map_err(|failure| self.of_channel(failure))
    }

    /// Takes what has arrived, something at least, and keeps the answers in it that are whole.
    pub(super) fn pull(&mut self, link: &C::Wire) -> Result<(), Failure> {
        self.fetch(link)?;
        self.sort(link)
    }

    /// Takes what has arrived, something at least.
    fn fetch(&mut self, link: &C::Wire) -> Result<(), Failure> {
        match self.channel.read(link, &mut self.buffer) {
            Ok(0) => Err(self.of_channel(Failure::Ended)),
            Ok(n) => {
                self.arrived.extend_from_slice(&self.buffer[..n]);
                Ok(())
            }
            Err(failure) => Err(self.of_channel(failure)),
        }
    }

    /// Returns what a failure of the channel means: a subsystem that ends while it is in use takes with it
    /// what was said.
    fn of_channel(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Ended if self.has_begun => Failure::Lost,
            failure => failure,
        }
    }

    /// Keeps the answers that are whole.
    fn sort(&mut self, link: &C::Wire) -> Result<(), Failure> {
        let mut done = 0;
        while let Some(packet) = packet::next(&self.arrived[done..]).map_err(|_| garbled(link))? {
            done += 4 + packet.len();
            let (id, answer) = packet::answer(packet).ok_or_else(|| garbled(link))?;
            if !self.open.remove(&id) {
                return Err(garbled(link));
            }
            if !self.forgotten.remove(&id) {
                self.answers.insert(id, answer);
            }
        }
        self.arrived.drain(..done);
        Ok(())
    }

    /// Takes the first packet, which has no id.
    fn hear_packet(&mut self, link: &C::Wire) -> Result<Vec<u8>, Failure> {
        loop {
            self.push(link)?;
            if let Some(packet) = packet::next(&self.arrived).map_err(|_| garbled(link))? {
                let packet = packet.to_vec();
                self.arrived.drain(..4 + packet.len());
                return Ok(packet);
            }
            self.fetch(link)?;
        }
    }

    fn set_limits(&mut self, answer: &Answer) {
        let Answer::Extended(answer) = answer else { return };
        let Some((read, write)) = packet::limits(answer) else { return };
        // Zero is no limit.
        let most = |limit: u64| if limit == 0 { MOST } else { limit.min(MOST) };
        self.longest_read = most(read).try_into().unwrap_or(self.longest_read);
        self.longest_write = most(write).try_into().unwrap_or(self.longest_write);
    }
}

/// Ends a connection whose other end does not speak the protocol.
pub(super) fn garbled(link: &impl Wire) -> Failure {
    link.judge(Failure::Garbled)
}
