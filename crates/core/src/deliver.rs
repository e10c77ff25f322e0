//! (being written)
/// How the bytes at a site were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Strength {
    /// x
    ServerHash,
    /// x
    ReadBack,
    /// x
    Size,
}
