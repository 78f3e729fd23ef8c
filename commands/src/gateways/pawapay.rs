//! PawaPay.
