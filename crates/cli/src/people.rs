//! Who has typed a command.
//!
//! All commands that write run as one user, so the user says nothing. What says more is whom sudo names, and
//! as whom the session was begun, which the kernel remembers through every `su`.

use intraware_core::owner::User;

use crate::environment::variable;

/// Returns the name of whoever has typed this command, as far as the host knows; empty if not.
pub fn who() -> String {
    let named = |name: &str| variable(name)?.into_string().ok().filter(|user| !user.is_empty());
    let session = || {
        let number: u32 = std::fs::read_to_string("/proc/self/loginuid").ok()?.trim().parse().ok()?;
        // The largest number stands for nobody.
        (number != u32::MAX).then(|| User(number).name()).flatten()
    };
    named("SUDO_USER").or_else(session).or_else(|| named("LOGNAME")).unwrap_or_default()
}
