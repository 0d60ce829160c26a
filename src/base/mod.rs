//! What the standard library lacks. Knows nothing of kite.

pub mod backoff;
pub mod clock;
pub mod duration;
pub mod http;
pub mod meter;
pub mod outage;
pub mod process;
pub mod random;
pub mod request;
pub mod secret;
pub mod tls;
