//! `upload dispatch` between real processes: routes as their owners write them, and real servers.

mod routes;
mod scene;
mod sending;
