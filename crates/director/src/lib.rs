//! lvsd: owns the model and keeps the data plane equal to it.
