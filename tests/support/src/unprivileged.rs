//! Permission bits that count even when the tests run as root.

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Runs `action` on a thread that may read and write only what the permission bits let it.
pub fn run<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sets = capabilities(None).expect("a thread can read its capabilities");
            sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, sets).expect("a thread can lay down its capabilities");
            action()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
