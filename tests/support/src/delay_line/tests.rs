use super::*;

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let _ = std::io::copy(&mut &stream, &mut &stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    addr
}

fn line(round_trip_ms: u64, rate: u64) -> DelayLine {
    DelayLine::start(echo(), Distance { round_trip: Duration::from_millis(round_trip_ms), rate })
}

/// Sends bytes and returns what comes back until the end.
fn there_and_back(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(addr).unwrap();
    let mut came = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        (&stream).read_to_end(&mut came).unwrap();
    });
    came
}

#[test]
fn what_comes_out_is_what_went_in() {
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let line = line(1, 1 << 30);
    assert!(there_and_back(line.addr(), &bytes) == bytes);
}

#[test]
fn an_answer_takes_a_round_trip_and_the_first_one_two() {
    let line = line(60, 1 << 30);
    let start = Instant::now();
    let mut stream = TcpStream::connect(line.addr()).unwrap();
    let mut answer = |question: &[u8; 1]| {
        stream.write_all(question).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        start.elapsed().as_millis()
    };
    let first = answer(b"a");
    let second = answer(b"b") - first;
    assert!(first >= 120, "{first} ms");
    assert!((60..first).contains(&second), "{second} ms after {first} ms");
}

#[test]
fn connections_share_the_rate() {
    let line = line(1, 8 << 20);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| there_and_back(line.addr(), &vec![7; 2 << 20]));
        }
    });
    // 4 MiB at 8 MiB/s, in both directions at once.
    let took = start.elapsed().as_secs_f64();
    assert!(took >= 0.5, "{took} s");
}
