//! Federation when something goes wrong: real servers and real TLS on this machine, and peers that are down, slow, wrong,
//! hostile or gone.

mod addresses;
mod agents;
mod answers;
mod backlog;
mod clock;
mod hook;
mod hops;
mod library;
mod mended;
mod names;
mod replays;
mod site;
mod stream;
mod traces;

/// The token that instances show to the hooks of these tests.
const TOKEN: &str = "kfd_12ab34cd_0123456789abcdef0123456789abcdef";
