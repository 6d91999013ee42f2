//! Many changes in one system call. The kernel carries them out in order and goes on after one that fails; only the
//! last is acknowledged, errors come by themselves, each with the number of its request.

use std::collections::BTreeMap;

use bytes::BytesMut;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, TokioSocket};

use super::{ANSWER_WITHIN, NetlinkError, verdict, widen};

/// Changes in one system call. The answers to more, all of them errors, might not fit the receive buffer.
pub(super) const CHANGES_MAX: usize = 128;

/// An answer carries an error and its text; nothing longer is expected on this socket.
const ANSWER_BYTES: usize = 16 * 1024;

/// A change with its flags beside `NLM_F_REQUEST`.
pub(super) type Change = (RouteNetlinkMessage, u16);

/// A netlink socket for changes alone.
pub(super) struct Changer {
    socket: TokioSocket,
    sequence: u32,
}

impl std::fmt::Debug for Changer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changer").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Changer {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
        let inner = socket.socket_mut();
        inner.set_ext_ack(true).map_err(NetlinkError::Open)?;
        inner.set_cap_ack(true).map_err(NetlinkError::Open)?;
        widen(inner);
        Ok(Self { socket, sequence: 0 })
    }

    /// The kernel's answer to each change, in order. At most [`CHANGES_MAX`].
    ///
    /// # Errors
    /// When the kernel did not answer: what became of the changes is unknown, and this socket is of no more use.
    pub(super) async fn apply(&mut self, changes: Vec<Change>) -> Result<Vec<Result<(), NetlinkError>>, NetlinkError> {
        let count = changes.len();
        debug_assert!(count <= CHANGES_MAX, "{count} changes at once");
        let first = self.sequence.wrapping_add(1);
        let mut request = Vec::new();
        for (position, (payload, flags)) in changes.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::from(payload);
            let ack = if position + 1 == count { NLM_F_ACK } else { 0 };
            message.header.flags = NLM_F_REQUEST | flags | ack;
            message.header.sequence_number = self.sequence;
            message.finalize();
            let start = request.len();
            request.resize(start + message.buffer_len(), 0);
            if let Some(room) = request.get_mut(start..) {
                message.serialize(room);
            }
        }
        let answers = tokio::time::timeout(ANSWER_WITHIN, self.exchange(&request)).await;
        let mut errors = answers.map_err(|_| NetlinkError::Silent)??;
        let numbers = (0..count).map(|n| first.wrapping_add(u32::try_from(n).unwrap_or(u32::MAX)));
        Ok(numbers.map(|number| errors.remove(&number).map_or(Ok(()), Err)).collect())
    }

    /// Sends and reads until the last request was answered; the errors by number.
    async fn exchange(&mut self, request: &[u8]) -> Result<BTreeMap<u32, NetlinkError>, NetlinkError> {
        let sent = self.socket.send(request).await.map_err(NetlinkError::Broken)?;
        if sent != request.len() {
            return Err(NetlinkError::Ended);
        }
        let mut errors = BTreeMap::new();
        let mut buffer = BytesMut::with_capacity(ANSWER_BYTES);
        loop {
            buffer.clear();
            // An overrun (ENOBUFS) means lost answers.
            self.socket.recv(&mut buffer).await.map_err(NetlinkError::Broken)?;
            let mut rest: &[u8] = &buffer;
            while !rest.is_empty() {
                let answer =
                    NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(|_| NetlinkError::Ended)?;
                let number = answer.header.sequence_number;
                if let NetlinkPayload::Error(message) = answer.payload {
                    if let Err(error) = verdict(&message, answer.header.flags) {
                        errors.insert(number, error);
                    }
                    if number == self.sequence {
                        return Ok(errors);
                    }
                }
                let len = usize::try_from(answer.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
                rest = rest.get(len..).unwrap_or_default();
            }
        }
    }
}
