//! OpenIntent's federation between servers: a published client drives kite, kite and the reference server send to each
//! other, and each checks with its own code what the other has signed.

mod bytes;
mod clients;
mod crossing;
mod faces;
mod refusals;
mod signed_requests;
