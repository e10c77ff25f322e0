//! `upload dispatch` between real processes: routes as their owners write them, and real servers.

mod hooks;
mod kills;
mod newcomer;
mod rollout;
mod routes;
mod scanning;
mod scene;
mod sending;
mod upgrades;
