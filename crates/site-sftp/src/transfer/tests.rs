use proptest::prelude::*;

use super::model::{Model, ModelChannel, Setting};
use super::*;

fn settings() -> impl Strategy<Value = Setting> {
    let windows = prop::collection::vec(prop_oneof![1_usize..80, 80_usize..3_000], 1..5);
    let fields = (windows, 1_usize..400, 0_usize..3, any::<u64>());
    fields.prop_map(|(windows, socket, exchanges, seed)| Setting { windows, socket, exchanges, seed })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Whatever the windows and the socket hold, and whatever the server does when: the loop waits only where
    /// nothing can be done, never goes round without moving anything (the model sees to both), and each byte
    /// is written once.
    #[test]
    fn n_1_n_2_the_loop_gets_on_whenever_it_can_and_sends_every_byte_once(
        setting in settings(),
        size in 0_usize..5_000,
        longest in 16_usize..300,
    ) {
        let model = Model::new(setting.clone());
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let channel = |number| Subsystem::over(ModelChannel { model: &model, number });
        let mut channels: Vec<_> = (0..setting.windows.len()).map(channel).collect();
        channels.iter_mut().for_each(|channel| channel.longest_write = longest);
        let lanes = channels.iter_mut().map(|channel| Lane::new(channel, b"handle")).collect();
        let mut told = Vec::new();
        let mut pieces = Onwards { at: 0, source: &mut &bytes[..] };
        let mut tell = |acknowledged| {
            model.moves(acknowledged == size as u64);
            told.push(acknowledged);
        };
        let sent = send(&model, lanes, &mut pieces, &mut tell, &mut |_| Ok(()));
        prop_assert!(sent.is_ok());
        prop_assert!(told.is_sorted());
        prop_assert_eq!(told.last().copied().unwrap_or(0), size as u64);
        prop_assert_eq!(model.written(), (bytes, setting.windows.len()));
    }
}
