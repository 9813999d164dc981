//! State text.
