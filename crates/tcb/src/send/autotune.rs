//! How large the send buffer is to be: twice the congestion window, as in Linux (`tcp_sndbuf_expand`): one that is in flight,
//! and one that the application writes meanwhile; or as often as the congestion control says.

use crate::tcb::Tcb;

impl Tcb {
    /// Octets that may wait to be sent or acknowledged now.
    pub(crate) fn send_buffer(&self) -> u32 {
        if self.memory_pressure { self.send.buffer.min(self.config.send_buffer.initial()) } else { self.send.buffer }
    }

    /// The settings of the send buffer have changed.
    pub(crate) fn resize_send_buffer(&mut self) {
        let setting = self.config.send_buffer;
        self.send.buffer = self.send.buffer.max(setting.initial()).min(setting.limit());
        self.tell_writer();
    }

    /// Wakes a writer once there is room worth a wake-up. Only a writer who waits shows that the buffer may be too small.
    pub(crate) fn tell_writer(&mut self) {
        if !self.writer_waits {
            return;
        }
        if !self.memory_pressure {
            let wanted = self.congestion.cwnd().saturating_mul(self.congestion.windows_buffered());
            self.send.buffer = self.send.buffer.max(wanted.min(self.config.send_buffer.limit()));
        }
        if self.send_room() >= self.send_buffer() as usize / 4 {
            self.writer_waits = false;
            self.notices.writable = true;
        }
    }
}
