//! The law of the packet.
#![no_std]
