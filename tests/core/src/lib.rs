//! Tests of core that need more than an ordinary user has: the servers that `tests/run` installs, for what
//! core does at a site, and the rights of root, for file systems and owners.
