//! Tests of as many rounds as somebody wants: how many, from which seed, and how far they are.

/// Returns what who starts the test has said in an environment variable.
#[expect(clippy::disallowed_methods, reason = "how many rounds, and which, is said by who starts the test")]
pub fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Says how far a test is; cargo shows it when the test fails, or is asked not to capture it.
#[expect(clippy::disallowed_macros, reason = "seeds and counts are for who runs the test")]
pub fn say(what: std::fmt::Arguments<'_>) {
    println!("{what}");
}
