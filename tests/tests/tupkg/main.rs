//! The tupkg protocol between real processes: `upload send`, `upload serve`, and whatever else speaks to
//! either.

mod cuts;
mod hostile;
mod lifecycle;
mod many;
mod packages;
mod raw;
mod scene;
mod transcript;
