//! The delivery rule in set time.
