//! Registering, signing in, and staying signed in.

mod passwords;
mod registration;
mod sessions;
