//! Tests of what core does at a site, on every kind of site: delivering, probing, keeping to a limit, and
//! leaving a site alone that fails. They need the servers that `tests/run` installs.
