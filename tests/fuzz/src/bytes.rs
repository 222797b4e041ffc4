//! Conversion of bytes to connections, with every bit pattern possible in every field, and back.

use detector::{Address, ConnState, Connection, Endpoint, Proto};

const PROTOCOLS: [Proto; 4] = [Proto::Unknown, Proto::Icmp, Proto::Tcp, Proto::Udp];
/// Longest text, longer than real ones.
const TEXT: usize = 31;

/// Reads values from the bytes of an input; past its end everything is zero.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// Returns whether the input is used up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Next bytes, fewer at the end.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes of the next number.
    pub fn number<const N: usize>(&mut self) -> [u8; N] {
        let mut number = [0; N];
        let taken = self.take(N);
        number[..taken.len()].copy_from_slice(taken);
        number
    }

    /// Next byte.
    pub fn byte(&mut self) -> u8 {
        self.number::<1>()[0]
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.number())
    }

    fn text(&mut self) -> &'a [u8] {
        let n = usize::from(self.byte()) & TEXT;
        self.take(n)
    }

    /// Next connection. Its first two bytes select the fields that are set.
    pub fn connection(&mut self) -> Connection<'a> {
        let set = u16::from_le_bytes(self.number());
        let is_set = |bit: u16| set >> bit & 1 == 1;
        let local = |bit: u16| is_set(bit).then_some(is_set(bit + 1));
        let (proto, state) = (self.byte(), self.byte());
        let mut endpoint = |bit: u16| Endpoint {
            addr: Address(self.number()),
            port: u16::from_le_bytes(self.number()),
            bytes: is_set(bit).then(|| self.u64()),
            pkts: is_set(bit + 1).then(|| self.u64()),
            ip_bytes: is_set(bit + 2).then(|| self.u64()),
            local: local(bit + 3),
        };
        Connection {
            orig: endpoint(0),
            resp: endpoint(5),
            proto: PROTOCOLS[usize::from(proto) % PROTOCOLS.len()],
            conn_state: ConnState::ALL.get(usize::from(state)).copied(),
            ts: i64::from_le_bytes(self.number()),
            duration: is_set(10).then(|| i64::from_le_bytes(self.number())),
            missed_bytes: if is_set(11) { self.u64() } else { 0 },
            service: is_set(12).then(|| self.text()),
            history: is_set(13).then(|| self.text()),
        }
    }
}

/// Bytes from which [`Bytes::connection`] makes the connection.
pub fn from_connection(c: &Connection<'_>) -> Vec<u8> {
    let mut set = 0u16;
    let mut out = Vec::new();
    for (endpoint, bit) in [(&c.orig, 0), (&c.resp, 5)] {
        out.extend(endpoint.addr.0);
        out.extend(endpoint.port.to_le_bytes());
        for (i, count) in [endpoint.bytes, endpoint.pkts, endpoint.ip_bytes].into_iter().enumerate() {
            set |= u16::from(count.is_some()) << (bit + i);
            out.extend(count.map(u64::to_le_bytes).into_iter().flatten());
        }
        set |= u16::from(endpoint.local.is_some()) << (bit + 3) | u16::from(endpoint.local == Some(true)) << (bit + 4);
    }
    out.extend(c.ts.to_le_bytes());
    set |= u16::from(c.duration.is_some()) << 10 | 1 << 11;
    out.extend(c.duration.map(i64::to_le_bytes).into_iter().flatten());
    out.extend(c.missed_bytes.to_le_bytes());
    for (text, bit) in [(c.service, 12), (c.history, 13)] {
        let Some(text) = text else { continue };
        set |= 1 << bit;
        let text = &text[..text.len().min(TEXT)];
        out.push(text.len() as u8);
        out.extend(text);
    }
    let proto = PROTOCOLS.iter().position(|&proto| proto == c.proto).unwrap_or(0) as u8;
    let state = c.conn_state.map_or(u8::MAX, |state| state as u8);
    [&set.to_le_bytes()[..], &[proto, state], &out].concat()
}
