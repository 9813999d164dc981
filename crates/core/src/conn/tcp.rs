//! The TCP state machine of spec 3.1-3.4, every cell as measured on the kernel.

/// No packet evaluated yet.
pub const NONE: u8 = 0;
/// Established.
pub const ESTABLISHED: u8 = 1;
/// SYN from the server's side seen.
pub const SYN_SENT: u8 = 2;
/// SYN from the client seen.
pub const SYN_RECV: u8 = 3;
/// One side has finished.
pub const FIN_WAIT: u8 = 4;
/// Both sides have finished.
pub const TIME_WAIT: u8 = 5;
/// Reset, or nonsense.
pub const CLOSE: u8 = 6;
/// The client has finished.
pub const CLOSE_WAIT: u8 = 7;
/// Waiting for the last ACK.
pub const LAST_ACK: u8 = 8;
/// Listening.
pub const LISTEN: u8 = 9;
/// secure_tcp: SYN+ACK sent.
pub const SYNACK: u8 = 10;

/// Number of states.
pub const STATES: usize = 11;

/// Names as listings show them, by state number.
pub const NAMES: [&str; STATES] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
];

/// Default time-outs in seconds, by state number.
pub const TIMEOUTS_S: [u32; STATES] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];

/// Bit set of the states that count as active connections.
pub const ACTIVE: u32 = 1 << ESTABLISHED | 1 << SYN_SENT | 1 << SYN_RECV | 1 << SYNACK;

/// SYN set, RST not.
pub const EVENT_SYN: u32 = 0;
/// FIN set, neither RST nor SYN.
pub const EVENT_FIN: u32 = 1;
/// ACK set, none of the others.
pub const EVENT_ACK: u32 = 2;
/// RST set.
pub const EVENT_RST: u32 = 3;
/// None of these.
pub const EVENT_OTHER: u32 = 4;

/// Column: client to server, replies are seen.
pub const INPUT: u32 = 0;
/// Column: server to client.
pub const OUTPUT: u32 = 1;
/// Column: client to server, replies pass the director by.
pub const INPUT_ONLY: u32 = 2;

/// FIN bit of the TCP header's flags byte.
pub const FIN: u8 = 0x01;
/// SYN bit.
pub const SYN: u8 = 0x02;
/// RST bit.
pub const RST: u8 = 0x04;
/// ACK bit.
pub const ACK: u8 = 0x10;

/// The event of a flags byte: first of RST, SYN, FIN, ACK (spec 3.3).
#[inline(always)]
pub fn event(flags: u8) -> u32 {
    if flags & RST != 0 {
        EVENT_RST
    } else if flags & SYN != 0 {
        EVENT_SYN
    } else if flags & FIN != 0 {
        EVENT_FIN
    } else if flags & ACK != 0 {
        EVENT_ACK
    } else {
        EVENT_OTHER
    }
}

/// The state after an event.
#[inline(always)]
pub fn next(secure: bool, column: u32, event: u32, state: u32) -> u32 {
    TABLE[index(secure as u32, column & 3, event & 7, state & 15)] as u32
}

/// The place of a cell: below 1024 for all arguments within 1, 3, 7 and 15. Odd strides, so that the sum stays a sum: the
/// verifier of 6.1 loses the bounds of numbers joined by "or" (VERIFIER 10).
#[inline(always)]
const fn index(secure: u32, column: u32, event: u32, state: u32) -> usize {
    (secure * 463 + column * 131 + event * 17 + state) as usize
}

type Rows = [[u8; STATES]; 5];

const ES: u8 = ESTABLISHED;
const SS: u8 = SYN_SENT;
const SR: u8 = SYN_RECV;
const FW: u8 = FIN_WAIT;
const TW: u8 = TIME_WAIT;
const CL: u8 = CLOSE;
const CW: u8 = CLOSE_WAIT;
const LA: u8 = LAST_ACK;
const LI: u8 = LISTEN;
const SA: u8 = SYNACK;

// Rows: SYN, FIN, ACK, RST, none. Columns: NO ES SS SR FW TW CL CW LA LI SA.
const NORMAL: [Rows; 3] = [
    [
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
        [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
        [CL; STATES],
    ],
    [
        [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
        [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
        [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
        [CL; STATES],
    ],
    [
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
        [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
        [CL; STATES],
    ],
];

const SECURE: [Rows; 3] = [
    [
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA],
        [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA],
        [ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
        [CL; STATES],
    ],
    [
        [SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA],
        [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
        [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
        [CL; STATES],
    ],
    [
        [SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA],
        [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
        [CL; STATES],
    ],
];

/// All six tables, by [`index`].
static TABLE: [u8; 1024] = flatten();

const fn flatten() -> [u8; 1024] {
    let mut flat = [CL; 1024];
    let mut cell = 0;
    while cell < 2 * 3 * 5 * STATES {
        let (state, rest) = (cell % STATES, cell / STATES);
        let (event, rest) = (rest % 5, rest / 5);
        let (column, secure) = (rest % 3, rest / 3);
        let rows = if secure == 0 { &NORMAL[column] } else { &SECURE[column] };
        flat[index(secure as u32, column as u32, event as u32, state as u32)] = rows[event][state];
        cell += 1;
    }
    flat
}
