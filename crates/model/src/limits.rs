//! What the model can hold, with units and reasons. The tables of the data plane have the same sizes.

/// Virtual services at one time. One record each; 4,096 is what issue 2 asks for at least.
pub const MAX_SERVICES: u32 = 4096;

/// Real servers at one time over all services, deleted ones with living connections (the trash) included.
pub const MAX_SERVERS: u32 = lvs_core::table::SERVERS_MAX;

/// Real servers of one service: the bound of a scheduler's scan in BPF (1,024 cost 4.5 us, once a connection).
pub const MAX_SERVERS_PER_SERVICE: u32 = 1024;

/// Highest weight and highest connection threshold: the kernel keeps both in a signed 32-bit integer.
pub const MAX_WEIGHT: u32 = i32::MAX as u32;

/// Highest connection threshold of a real server (see [`MAX_WEIGHT`]).
pub const MAX_THRESHOLD: u32 = i32::MAX as u32;

/// Longest timeout in seconds: the kernel's 2^31 - 1 ticks at 250 ticks a second.
pub const MAX_TIMEOUT_S: u32 = (i32::MAX as u32) / 250;

/// Longest scheduler name in bytes, as in the kernel's interface (IP_VS_SCHEDNAME_MAXLEN without its final zero).
pub const MAX_SCHEDULER_NAME_LEN: usize = 15;

/// Commands in one batch: ten times the 10,000 lines that issue 2 asks of `ipvsadm -R`, and more than a full table takes.
pub const MAX_COMMANDS: usize = 100_000;

/// Body of one API request in bytes: room for [`MAX_COMMANDS`] commands of about 320 bytes of JSON.
pub const MAX_REQUEST_LEN: usize = 32 * 1024 * 1024;

const _: () = assert!(MAX_SERVERS_PER_SERVICE <= MAX_SERVERS);
// Index 0 of the table of services is never used.
const _: () = assert!(MAX_SERVICES < lvs_core::table::SERVICES_MAX);
const _: () = assert!(MAX_SERVERS_PER_SERVICE == lvs_core::table::SERVERS_PER_SERVICE_MAX);
const _: () = assert!((MAX_SERVICES + MAX_SERVERS) as usize <= MAX_COMMANDS);
