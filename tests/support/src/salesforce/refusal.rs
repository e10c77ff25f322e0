//! The ways in which the service says no, with the status and body of the real one.

use serde_json::{Value, json};

/// A refused request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    code: String,
    message: String,
    fields: Vec<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), fields: Vec::new() }
    }

    pub(crate) fn about(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// The body of a REST refusal: an array of one.
    pub(crate) fn body(&self) -> Value {
        let mut one = json!({ "message": self.message, "errorCode": self.code });
        if !self.fields.is_empty() {
            one["fields"] = json!(self.fields);
        }
        json!([one])
    }

    pub(crate) fn no_resource() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn no_session() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn no_type(name: &str) -> Self {
        Self::new(
            400,
            "INVALID_TYPE",
            format!(
                "\nselect\n^\nERROR at Row:1:Column:1\nsObject type '{name}' is not supported. If you are \
                 attempting to use a custom object, be sure to append the '__c' after the entity name."
            ),
        )
    }

    pub(crate) fn no_field(object: &str, field: &str) -> Self {
        Self::new(
            400,
            "INVALID_FIELD",
            format!(
                "No such column '{field}' on sobject of type {object}. If you are attempting to use a \
                 custom field, be sure to append the '__c' after the custom field name."
            ),
        )
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_QUERY", message)
    }

    pub(crate) fn json(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }
}
