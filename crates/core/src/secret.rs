//! Secrets: values that are never shown, and where they are kept.
