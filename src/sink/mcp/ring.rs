//! The newest events, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sink::Item;

/// How many events are kept unless told otherwise (spec 16).
pub const BUFFER_SIZE: usize = 100;

/// How much text they may have together: a hundred large events would be more than a machine has. The newest stays
/// however large it is.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events, the newest in front.
pub(super) struct Ring {
    items: VecDeque<Arc<Item>>,
    bytes: usize,
    items_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(buffer_size: usize) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            items_max: match buffer_size {
                0 => BUFFER_SIZE,
                size => size,
            },
            bytes_max: BYTES_MAX,
        }
    }

    /// Puts an event in front; one that comes again stays where it is.
    pub(super) fn put(&mut self, item: Item) {
        let is_known = |known: &Arc<Item>| known.seq == item.seq && known.event.id == item.event.id;
        if self.items.iter().any(is_known) {
            return;
        }
        self.bytes += bytes(&item);
        self.items.push_front(Arc::new(item));
        while self.items.len() > self.items_max
            || self.bytes > self.bytes_max && self.items.len() > 1
        {
            let oldest = self.items.pop_back();
            self.bytes -= oldest.map_or(0, |item| bytes(&item));
        }
    }

    /// All of them, the newest first.
    pub(super) fn newest(&self) -> Vec<Arc<Item>> {
        self.items.iter().cloned().collect()
    }
}

fn bytes(item: &Item) -> usize {
    item.raw.len() + item.enriched.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seq: u64) -> Item {
        let text = format!(r#"{{"specversion":"1.0","id":"{seq}","source":"s","type":"t"}}"#);
        Item::read(seq, "t".to_owned(), text).unwrap()
    }

    fn kept(ring: &Ring) -> Vec<u64> {
        ring.newest().iter().map(|item| item.seq).collect()
    }

    #[test]
    fn the_newest_are_kept_and_each_once() {
        let mut ring = Ring::new(2);
        for seq in [1, 2, 3, 2] {
            ring.put(item(seq));
        }
        assert_eq!(kept(&ring), [3, 2]);
        assert_eq!(Ring::new(0).items_max, 100);
    }

    #[test]
    fn large_events_make_room_and_the_newest_stays_in_any_case() {
        let mut ring = Ring::new(9);
        ring.bytes_max = 2 * bytes(&item(1));
        (1..=3).for_each(|seq| ring.put(item(seq)));
        assert_eq!(kept(&ring), [3, 2]);
        ring.bytes_max = 1;
        ring.put(item(4));
        assert_eq!((kept(&ring), ring.bytes), (vec![4], bytes(&item(4))));
    }
}
