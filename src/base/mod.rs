//! What the standard library lacks. Knows nothing of kite.

pub mod backoff;
pub mod clock;
pub mod duration;
pub mod http;
pub mod outage;
pub mod process;
pub mod random;
pub mod secret;
pub mod tls;
