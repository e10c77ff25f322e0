//! What is outside of the loop that sends, as a model: libssh2's channels, the socket, and a server, which do
//! whatever they may in any order and in parts of any size.
//!
//! Of libssh2 it has what the loop has to cope with: each call reads all that has come, whichever channel it
//! is for; a packet is no longer than the window; a window is widened by a packet that any call may read; and
//! while keys are exchanged nothing is sent. It panics where a loop waits although something can be done or
//! nothing will ever happen, or goes round without moving anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::wire::{Channel, Wire};
use intraware_core::site::pace::{Pace, Patience};

/// The most bytes of a channel's that a packet has.
const PACKET: usize = 64;

/// What a packet has besides.
const HEADER: usize = 9;

/// Calls for each channel in which nothing moves, and that are no loop yet.
const IDLE: usize = 8;

const AN_HOUR: Duration = Duration::from_secs(3600);

/// What is different from run to run.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// How much the server lets be under way on each channel.
    pub(super) windows: Vec<usize>,
    /// How many bytes the socket holds.
    pub(super) socket: usize,
    /// How often keys are exchanged, at most.
    pub(super) exchanges: usize,
    /// Where all the choices come from.
    pub(super) seed: u64,
}

/// A packet on its way to the server.
#[derive(Debug)]
enum Said {
    Bytes(usize, Vec<u8>),
    /// Something of libssh2's own, which the loop knows nothing of.
    Own,
    Keys,
}

/// A packet on its way from the server.
#[derive(Debug)]
enum Answered {
    Bytes(usize, Vec<u8>),
    Room(usize, usize),
    /// Keys are to be exchanged.
    Keys,
    /// They are.
    NewKeys,
}

/// One end of each channel.
#[derive(Debug, Default)]
struct Side {
    room: usize,
    arrived: VecDeque<u8>,
    /// Whether the loop has something to send, for which there was no room when it tried.
    is_refused: bool,
}

/// The server's end.
#[derive(Debug, Default)]
struct Peer {
    heard: Vec<u8>,
    /// What was taken, and is not in the window again.
    taken: usize,
    /// The questions that are not answered.
    asked: Vec<u32>,
}

/// The connection.
pub(super) struct Model {
    state: RefCell<State>,
}

struct State {
    setting: Setting,
    dice: u64,
    sides: Vec<Side>,
    peers: Vec<Peer>,
    /// All that is on its way to the server, with the bytes each has; in the socket are as many as
    /// `in_socket`, and the rest is half sent.
    there: VecDeque<(usize, Said)>,
    in_socket: usize,
    held: usize,
    /// All that is on its way back, and how much of it is there to be read.
    back: VecDeque<(usize, Answered)>,
    on_way: usize,
    readable: usize,
    /// How much was read, or sent on after it had waited.
    moved: u64,
    /// Whether keys are exchanged, as libssh2 knows and as the server does.
    exchanging: bool,
    exchange_begun: bool,
    exchanges: usize,
    /// How many calls were made since something moved.
    idle: usize,
    is_ending: bool,
    /// The file at the server: each write at its place.
    file: BTreeMap<u64, Vec<u8>>,
    closed: usize,
}

impl Model {
    pub(super) fn new(setting: Setting) -> Self {
        let side = |&room: &usize| Side { room, ..Side::default() };
        let state = State {
            dice: setting.seed | 1,
            sides: setting.windows.iter().map(side).collect(),
            peers: setting.windows.iter().map(|_| Peer::default()).collect(),
            there: VecDeque::new(),
            in_socket: 0,
            held: 0,
            back: VecDeque::new(),
            on_way: 0,
            readable: 0,
            moved: 0,
            exchanging: false,
            exchange_begun: false,
            exchanges: setting.exchanges,
            idle: 0,
            is_ending: false,
            file: BTreeMap::new(),
            closed: 0,
            setting,
        };
        Self { state: RefCell::new(state) }
    }

    /// Notes that the loop has got on, and whether all its bytes are acknowledged: from then on it hears the
    /// end of one channel after the other.
    pub(super) fn moves(&self, is_ending: bool) {
        let mut state = self.state.borrow_mut();
        state.moves();
        state.is_ending = is_ending;
    }

    /// Returns what was written, if each byte was once, and how often the file was closed.
    pub(super) fn written(&self) -> (Vec<u8>, usize) {
        let state = self.state.borrow();
        let mut all = Vec::new();
        for (&at, bytes) in &state.file {
            assert_eq!(at, all.len() as u64, "a gap, or something twice");
            all.extend_from_slice(bytes);
        }
        (all, state.closed)
    }
}

impl State {
    /// Returns a number below `most`.
    fn roll(&mut self, most: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice >> 11).unwrap() % most
    }

    fn moves(&mut self) {
        self.idle = 0;
    }

    /// Notes that the loop has made a call; the server may do something at any moment.
    fn call(&mut self) {
        self.idle += 1;
        assert!(
            self.idle < IDLE * (1 + self.sides.len()),
            "the loop goes round and moves nothing: {:?}",
            self.setting
        );
        if self.roll(3) == 0 {
            self.act();
        }
    }

    /// Has a packet sent, as far as the socket takes it.
    fn send(&mut self, size: usize, said: Said) {
        self.moves();
        let taken = if self.held == 0 { size.min(self.setting.socket - self.in_socket) } else { 0 };
        self.in_socket += taken;
        self.held += size - taken;
        self.there.push_back((size, said));
    }

    fn flush(&mut self) {
        let taken = self.held.min(self.setting.socket - self.in_socket);
        if taken > 0 {
            self.moves();
        }
        self.in_socket += taken;
        self.held -= taken;
        self.moved += taken as u64;
    }

    /// Reads all that is there, as each call of libssh2 does first.
    fn drain(&mut self) {
        while self.readable > 0 {
            self.moves();
            let (left, _) = self.back.front_mut().expect("what is readable was answered");
            let n = self.readable.min(*left);
            *left -= n;
            let is_whole = *left == 0;
            self.readable -= n;
            self.moved += n as u64;
            if is_whole && let Some((_, answered)) = self.back.pop_front() {
                match answered {
                    Answered::Bytes(channel, bytes) => {
                        self.sides[channel].arrived.extend(bytes);
                        if self.roll(4) == 0 {
                            self.send(HEADER, Said::Own);
                        }
                    }
                    Answered::Room(channel, room) => self.sides[channel].room += room,
                    Answered::Keys => {
                        self.exchanging = true;
                        self.send(PACKET, Said::Keys);
                    }
                    Answered::NewKeys => self.exchanging = false,
                }
            }
        }
    }

    fn answer(&mut self, size: usize, answered: Answered) {
        self.back.push_back((size, answered));
        self.on_way += size;
    }

    /// Has the server or the line do one thing; returns whether there was any.
    fn act(&mut self) -> bool {
        let channels = self.peers.len();
        let (kind, first) = (self.roll(6), self.roll(channels));
        for kind in (0..6).map(|i| (kind + i) % 6) {
            let in_any = |state: &Self, is_meant: fn(&Peer) -> bool| {
                (0..channels).map(|i| (first + i) % channels).find(|&i| is_meant(&state.peers[i]))
            };
            match kind {
                0 | 1 if self.in_socket > 0 => self.take(),
                2 if self.on_way > 0 => {
                    let n = 1 + self.roll(self.on_way);
                    self.on_way -= n;
                    self.readable += n;
                }
                3 if let Some(channel) = in_any(self, |peer| peer.taken > 0) => {
                    let room = 1 + self.roll(self.peers[channel].taken);
                    self.peers[channel].taken -= room;
                    self.answer(HEADER, Answered::Room(channel, room));
                }
                4 if let Some(channel) = in_any(self, |peer| !peer.asked.is_empty()) => self.reply(channel),
                5 if self.exchanges > 0 && !self.exchange_begun && self.roll(8) == 0 => {
                    self.exchanges -= 1;
                    self.exchange_begun = true;
                    self.answer(PACKET, Answered::Keys);
                }
                _ => continue,
            }
            return true;
        }
        false
    }

    /// Has the server take some of what is in the socket.
    fn take(&mut self) {
        let mut n = 1 + self.roll(self.in_socket);
        self.in_socket -= n;
        while n > 0 {
            let (left, _) = self.there.front_mut().expect("what is in the socket was said");
            let part = n.min(*left);
            *left -= part;
            n -= part;
            if *left > 0 {
                break;
            }
            match self.there.pop_front() {
                Some((_, Said::Bytes(channel, bytes))) => {
                    self.peers[channel].taken += bytes.len();
                    self.peers[channel].heard.extend(bytes);
                    self.understand(channel);
                }
                Some((_, Said::Keys)) => {
                    self.exchange_begun = false;
                    self.answer(PACKET, Answered::NewKeys);
                }
                Some((_, Said::Own)) | None => {}
            }
        }
    }

    /// Does what was asked on a channel.
    fn understand(&mut self, channel: usize) {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
        loop {
            let heard = &self.peers[channel].heard;
            let Some(len) = heard.first_chunk().map(|len| u32::from_be_bytes(*len) as usize) else { return };
            if heard.len() < 4 + len {
                return;
            }
            let packet: Vec<u8> = self.peers[channel].heard.drain(..4 + len).skip(4).collect();
            match packet[0] {
                // SSH_FXP_WRITE: id, handle, offset, bytes.
                6 => {
                    let at = 9 + number(&packet[5..]) as usize;
                    let offset = u64::from_be_bytes(packet[at..at + 8].try_into().unwrap());
                    let old = self.file.insert(offset, packet[at + 12..].to_vec());
                    assert!(old.is_none(), "{offset} was written before");
                }
                // SSH_FXP_CLOSE.
                4 => self.closed += 1,
                kind => panic!("nobody asks for {kind}"),
            }
            self.peers[channel].asked.push(number(&packet[1..]));
        }
    }

    /// Has the server answer one question of a channel, any of them.
    fn reply(&mut self, channel: usize) {
        let which = self.roll(self.peers[channel].asked.len());
        let id = self.peers[channel].asked.swap_remove(which);
        // SSH_FXP_STATUS: id, OK, no message, no language.
        let mut status = vec![0, 0, 0, 17, 101];
        for word in [id, 0, 0, 0] {
            status.extend(word.to_be_bytes());
        }
        // In as many packets as the server likes.
        let cut = self.roll(status.len());
        let rest = status.split_off(cut);
        for part in [status, rest] {
            if !part.is_empty() {
                self.answer(HEADER + part.len(), Answered::Bytes(channel, part));
            }
        }
    }
}

impl Wire for Model {
    fn moved(&self) -> u64 {
        self.state.borrow().moved
    }

    fn flush(&self) -> Result<bool, Failure> {
        let mut state = self.state.borrow_mut();
        state.call();
        state.flush();
        Ok(state.held == 0)
    }

    fn is_clear(&self) -> bool {
        self.state.borrow().held == 0
    }

    fn poll(&self, sends: bool, _: Patience, _: &mut Instant) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        assert_eq!(sends, state.held > 0, "what is half sent has to be waited for");
        for side in state.sides.iter().filter(|_| !state.is_ending) {
            assert!(side.arrived.is_empty(), "an answer stands unused: {:?}", state.setting);
            let is_room = side.room > 0 && state.held == 0 && !state.exchanging;
            assert!(!(side.is_refused && is_room), "room stands unused: {:?}", state.setting);
        }
        while state.readable == 0 && !(sends && state.in_socket < state.setting.socket) {
            assert!(state.act(), "nothing will ever happen: {:?}", state.setting);
            state.moves();
        }
        Ok(())
    }

    fn alive(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn judge(&self, failure: Failure) -> Failure {
        failure
    }

    fn patience(&self) -> Patience {
        Patience::Until(Instant::now() + AN_HOUR)
    }

    fn pace(&self) -> Pace {
        Pace::new(AN_HOUR, 0)
    }
}

/// A channel of a [`Model`].
pub(super) struct ModelChannel<'m> {
    pub(super) model: &'m Model,
    pub(super) number: usize,
}

impl Channel for ModelChannel<'_> {
    type Wire = Model;

    fn write(&mut self, model: &Model, bytes: &[u8]) -> Result<usize, Failure> {
        let mut state = model.state.borrow_mut();
        state.call();
        state.drain();
        let n = bytes.len().min(PACKET).min(state.sides[self.number].room);
        state.sides[self.number].is_refused = n == 0 || state.exchanging;
        if state.sides[self.number].is_refused {
            return Err(Failure::pending());
        }
        state.sides[self.number].room -= n;
        state.send(HEADER + n, Said::Bytes(self.number, bytes[..n].to_vec()));
        Ok(n)
    }

    fn read(&mut self, model: &Model, into: &mut [u8]) -> Result<usize, Failure> {
        let mut state = model.state.borrow_mut();
        state.call();
        state.drain();
        let n = state.sides[self.number].arrived.len().min(into.len());
        if n == 0 {
            return Err(Failure::pending());
        }
        // As many as one packet had, or more.
        for (to, byte) in into.iter_mut().zip(state.sides[self.number].arrived.drain(..n)) {
            *to = byte;
        }
        state.moves();
        Ok(n)
    }

    fn has_arrived(&self) -> bool {
        !self.model.state.borrow().sides[self.number].arrived.is_empty()
    }
}
