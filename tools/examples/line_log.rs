//! A toy server of lines on `forebay::log`: `ADD text` answers an offset once the text is on the
//! device, `GET offset` answers a line, `TAIL offset` every line from there on, as they come.

use std::error::Error;
use std::path::Path;

use forebay::log::{Bytes, Core, LogConfig, NewRecord, Offset, Partition, Socket, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let body = |core| async move { serve(core).await.unwrap_or_else(|e| eprintln!("{e}")) };
    Ok(forebay::log::run(&forebay::log::one_core(), body)?)
}

async fn serve(core: Core) -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let both = args.next().zip(args.next());
    let (dir, address) = both.ok_or("usage: line_log DIR ADDRESS")?;
    let store = Store::open(&core, Path::new(&dir)).await?;
    let lines = store.partition("lines", 0, LogConfig::default()).await?;
    let listener = core.listen(address.parse()?).await?;
    println!("{} lines", lines.end());
    loop {
        let socket = listener.accept().await?;
        let (talker, lines) = (core.clone(), lines.clone());
        core.spawn(async move { drop(talk(&talker, &socket, &lines).await) });
    }
}

async fn talk(core: &Core, socket: &Socket, lines: &Partition) -> Result<(), Box<dyn Error>> {
    let mut unread = Vec::new();
    loop {
        let mut buffer = core.frames().take(4096).await;
        if socket.read(&mut buffer, 4096).await? == 0 {
            return Ok(());
        }
        unread.extend_from_slice(buffer.as_slice());
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8(unread.drain(..=end).collect())?;
            let (verb, rest) = line.trim_end().split_once(' ').ok_or("VERB rest")?;
            if verb == "ADD" {
                let record = NewRecord::value(rest.as_bytes());
                let answer = format!("{}\n", lines.append_durably(record).await?);
                socket.write(&[Bytes::from(answer.into_bytes())]).await?;
                continue;
            }
            let mut tail = lines.tail(Offset(rest.parse()?));
            let mut wanted = if verb == "TAIL" { usize::MAX } else { 1 };
            while wanted > 0 {
                for record in tail.next().await?.into_iter().take(wanted) {
                    let line = [record.value.unwrap_or_default(), b"\n".to_vec()].concat();
                    socket.write(&[Bytes::from(line)]).await?;
                    wanted -= 1;
                }
            }
        }
    }
}
