//! Agents at work at real servers.
