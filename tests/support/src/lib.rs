//! Real counterparts for tests: servers and tools that behave as the ones in the field do.
pub mod salesforce;
