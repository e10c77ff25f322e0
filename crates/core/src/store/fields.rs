//! What the fields of records are called.

/// The API names of the object's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// What people call the build.
    pub name: String,
    /// The kind of build.
    pub build_type: String,
    /// Where the build lies.
    pub build_path: String,
    /// The upload status.
    pub status: String,
    /// The reason of an Error, if there is such a field.
    pub detail: Option<String>,
    /// The association field.
    pub trigger: String,
    /// The payload's size.
    pub size: String,
    /// The payload's MD5.
    pub md5: String,
    /// The payload's SHA-1.
    pub sha1: String,
    /// The build's date.
    pub build_date: String,
    /// How urgent the build is, if there is such a field.
    pub priority: Option<String>,
}
