//! The socket below a libssh2 session that never blocks: it takes every packet whole, and tells what has
//! come.
//!
//! Where a socket takes only half of a packet, libssh2 wants exactly the call again that has sent it. Any
//! other call that has something to send is answered as if it had to wait, without a look at the socket, and
//! goes round in circles where the socket is ready. With several channels on a connection, windows that are
//! widened and keys that are exchanged on the way, there is nobody who knows which call that was. Here
//! libssh2 is given functions of ours to send and receive with, as its `LIBSSH2_CALLBACK_SEND` and
//! `LIBSSH2_CALLBACK_RECV` let one. Every packet is taken whole; what the socket does not take of it waits
//! until [`Socket::flush`] sends it on. So no call of libssh2 is ever in the middle of a packet, and all that
//! is left to wait for is the peer.
//!
//! Whoever has much to send flushes first, and sends nothing more where that leaves something: then one
//! packet waits, and little else. What libssh2 says by itself (a window is wider, an answer to a request,
//! keys) is taken in any case, up to a limit that only a peer reaches that asks a great deal and takes
//! nothing.
//!
//! A call that has found nothing for itself may nevertheless have read what concerns another: there is room
//! on its channel, or the keys are exchanged. It may also have sent on what another had to wait for.
//! [`Socket::moved`] says whether there was anything of that, so that one waits only if not.
//!
//! What is unsafe about being called by C is all in this file.

mod held;

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use held::Held;
use libssh2_sys::LIBSSH2_SESSION;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use ssh2::Session;

/// libssh2's `LIBSSH2_CALLBACK_SEND`.
const SEND: c_int = 5;
/// libssh2's `LIBSSH2_CALLBACK_RECV`.
const RECV: c_int = 6;

/// libssh2's `libssh2_cb_generic`, which stands for every kind of callback.
type Generic = unsafe extern "C" fn();

unsafe extern "C" {
    fn libssh2_session_callback_set2(
        session: *mut LIBSSH2_SESSION,
        kind: c_int,
        callback: Generic,
    ) -> Option<Generic>;
}

/// The sockets of all sessions, by the descriptors that libssh2 names when it calls. A pointer in the session
/// would need no table, but ssh2 puts another there while it asks for a password.
static SOCKETS: RwLock<BTreeMap<RawFd, Arc<Shared>>> = RwLock::new(BTreeMap::new());

/// The socket of a session. It is to be dropped after the session; what libssh2 says later is refused.
#[derive(Debug)]
pub struct Socket {
    fd: RawFd,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    held: Mutex<Held<TcpStream>>,
    heard: AtomicU64,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held<TcpStream>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, into: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let n = take(&self.stream, into)?;
        self.heard.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Socket {
    /// Puts a connected socket below a session at which nothing was said yet, and has neither ever block.
    pub fn attach(session: &mut Session, stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let shared = Shared {
            held: Mutex::new(Held::new(stream.try_clone()?)),
            heard: AtomicU64::new(0),
            stream: stream.try_clone()?,
        };
        // The session keeps the descriptor, so that no other socket has its number while libssh2 may still
        // name it.
        let fd = stream.as_raw_fd();
        let socket = Self { fd, shared: Arc::new(shared) };
        SOCKETS.write().unwrap_or_else(PoisonError::into_inner).insert(fd, Arc::clone(&socket.shared));
        session.set_tcp_stream(stream);
        session.set_blocking(false);
        let mut raw = session.raw();
        let raw: *mut LIBSSH2_SESSION = &mut *raw;
        // SAFETY: libssh2 has a LIBSSH2_CALLBACK_SEND and a LIBSSH2_CALLBACK_RECV called as what they are
        // made here from what stands for all kinds; they rely on nothing but their arguments. The session is
        // locked meanwhile.
        unsafe {
            let send: Generic = std::mem::transmute(send as *const ());
            let receive: Generic = std::mem::transmute(receive as *const ());
            libssh2_session_callback_set2(raw, SEND, send);
            libssh2_session_callback_set2(raw, RECV, receive);
        }
        Ok(socket)
    }

    /// Sends on what waits, as far as the socket takes it. Returns whether nothing is left.
    pub fn flush(&self) -> io::Result<bool> {
        self.shared.held().flush()
    }

    /// Returns whether nothing waits to be sent on.
    pub fn is_clear(&self) -> bool {
        self.shared.held().is_empty()
    }

    /// Returns how many bytes were read so far, or sent on after they had waited.
    pub fn moved(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed) + self.shared.held().sent_on()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        SOCKETS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.fd);
    }
}

/// Returns the socket of a session by its descriptor.
fn find(fd: RawFd) -> Option<Arc<Shared>> {
    SOCKETS.read().unwrap_or_else(PoisonError::into_inner).get(&fd).cloned()
}

/// Returns what libssh2's callbacks return: a count, or an error number below zero.
fn counted(done: io::Result<usize>) -> isize {
    let errno = match done {
        Ok(n) => return isize::try_from(n).unwrap_or(isize::MAX),
        Err(err) => match err.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Errno::AGAIN,
            _ => Errno::from_io_error(&err).unwrap_or(Errno::IO),
        },
    };
    -(errno.raw_os_error() as isize)
}

/// libssh2's `LIBSSH2_SEND_FUNC`. Of other sockets than those of sessions it knows that of an agent.
///
/// # Safety
///
/// `buffer` points to `size` bytes; `fd` is open.
unsafe extern "C" fn send(
    fd: c_int,
    buffer: *const c_void,
    size: usize,
    _flags: c_int,
    _of_session: *mut *mut c_void,
) -> isize {
    // SAFETY: libssh2 says that it points to so many bytes, which are initialised, as it has them sent.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), size) };
    counted(match find(fd) {
        Some(shared) => shared.held().send(bytes).map(|()| size),
        None => {
            // SAFETY: libssh2 has it open until this call has ended.
            let other = unsafe { BorrowedFd::borrow_raw(fd) };
            rustix::net::send(other, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from)
        }
    })
}

/// libssh2's `LIBSSH2_RECV_FUNC`, for the same sockets.
///
/// # Safety
///
/// `buffer` points to `size` bytes; `fd` is open.
unsafe extern "C" fn receive(
    fd: c_int,
    buffer: *mut c_void,
    size: usize,
    _flags: c_int,
    _of_session: *mut *mut c_void,
) -> isize {
    // SAFETY: libssh2 has so many bytes there, which nobody else uses meanwhile; what is written to them was
    // never read, so that it does not matter what they were.
    let bytes = unsafe { slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), size) };
    counted(match find(fd) {
        Some(shared) => shared.receive(bytes),
        None => {
            // SAFETY: libssh2 has it open until this call has ended.
            let other = unsafe { BorrowedFd::borrow_raw(fd) };
            take(other, bytes)
        }
    })
}

/// Takes what has come to a socket.
fn take(from: impl AsFd, into: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    let ((come, _), _) = rustix::net::recv(from, into, RecvFlags::empty())?;
    Ok(come.len())
}
