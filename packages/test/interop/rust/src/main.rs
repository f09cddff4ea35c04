//! A walk through rskafka, which knows no groups; run with the broker's host:port. src/scoreboard/walk.ts reads what it prints.
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

const TOPIC: &str = "rskafka-walk";

type Outcome = Result<(), Box<dyn Error>>;

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_string(),
            '\\' => "\\\\".to_string(),
            c if (c as u32) < 32 => " ".to_string(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

async fn check(name: &str, body: impl Future<Output = Outcome>) {
    let outcome = match tokio::time::timeout(Duration::from_secs(15), body).await {
        Ok(outcome) => outcome,
        Err(_) => Err("nothing came of it in 15 s".into()),
    };
    match outcome {
        Ok(()) => println!("{{\"check\":{},\"ok\":true}}", quoted(name)),
        Err(e) => println!("{{\"check\":{},\"ok\":false,\"reason\":{}}}", quoted(name), quoted(&e.to_string())),
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, not {expected:?}").into())
}

fn refused<T>(result: Result<T, rskafka::client::error::Error>, word: &str) -> Outcome {
    match result {
        Ok(_) => Err(format!("not refused with {word}").into()),
        Err(e) if format!("{e:?}").contains(word) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn record(key: Option<&str>, value: Option<&str>, millis: i64) -> Record {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let timestamp = Utc.timestamp_millis_opt(millis).unwrap();
    Record { key: key.map(bytes), value: value.map(bytes), headers: BTreeMap::new(), timestamp }
}

async fn partition(client: &Client, number: i32) -> Result<PartitionClient, Box<dyn Error>> {
    Ok(client.partition_client(TOPIC, number, UnknownTopicHandling::Error).await?)
}

async fn topics(client: &Client) {
    check("create a topic", async {
        let controller = client.controller_client()?;
        controller.create_topic(TOPIC, 2, 1, 8_000).await?;
        refused(controller.create_topic(TOPIC, 2, 1, 8_000).await, "TopicAlreadyExists")
    })
    .await;
    check("what is wrong with a topic is told", async {
        let controller = client.controller_client()?;
        refused(controller.create_topic("wrong", 1, 3, 8_000).await, "InvalidReplicationFactor")
    })
    .await;
    check("list topics", async {
        let found = client.list_topics().await?;
        let partitions = found.iter().find(|topic| topic.name == TOPIC).map(|topic| topic.partitions.len());
        equal("partitions", partitions, Some(2))
    })
    .await;
}

async fn records(client: &Client) {
    let codecs = [
        ("none", Compression::NoCompression),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    for (name, codec) in codecs {
        check(&format!("produce and fetch with {name}"), async {
            let to = partition(client, 0).await?;
            let value = name.repeat(50);
            let sent = (0..20).map(|_| record(Some("k"), Some(&value), 1000)).collect();
            let offsets = to.produce(sent, codec).await?;
            let (found, _) = to.fetch_records(offsets[0], 1..1_000_000, 1_000).await?;
            equal("count", found.len(), 20)?;
            equal("value", found[19].record.value.clone(), Some(value.into_bytes()))
        })
        .await;
    }
    check("produce keys, headers and nulls", async {
        let to = partition(client, 1).await?;
        let mut full = record(Some("key"), Some("žluťoučký"), 1000);
        full.headers.insert("trace".into(), b"1".to_vec());
        let sent = vec![full.clone(), record(Some("gone"), None, 2000), record(None, Some(""), 3000)];
        to.produce(sent.clone(), Compression::NoCompression).await?;
        let (found, watermark) = to.fetch_records(0, 1..1_000_000, 1_000).await?;
        equal("records", found.into_iter().map(|one| one.record).collect::<Vec<_>>(), sent)?;
        equal("high watermark", watermark, 3)
    })
    .await;
    check("list offsets, earliest, latest, by time", async {
        let to = partition(client, 1).await?;
        equal("earliest", to.get_offset(OffsetAt::Earliest).await?, 0)?;
        equal("latest", to.get_offset(OffsetAt::Latest).await?, 3)?;
        let time = Utc.timestamp_millis_opt(1500).unwrap();
        equal("by time", to.get_offset(OffsetAt::Timestamp(time)).await?, 1)
    })
    .await;
    check("fetch beyond the end is refused", async {
        let to = partition(client, 1).await?;
        refused(to.fetch_records(1_000, 1..1_000_000, 100).await, "OffsetOutOfRange")
    })
    .await;
    check("delete records", async {
        let to = partition(client, 1).await?;
        to.delete_records(2, 8_000).await?;
        equal("earliest", to.get_offset(OffsetAt::Earliest).await?, 2)
    })
    .await;
    check("delete a topic", async {
        let controller = client.controller_client()?;
        controller.delete_topic(TOPIC, 8_000).await?;
        refused(controller.delete_topic(TOPIC, 8_000).await, "UnknownTopicOrPartition")
    })
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{{\"version\":\"0.6.0\"}}");
    let server = std::env::args().nth(1).ok_or("no host:port")?;
    let client = ClientBuilder::new(vec![server]).build().await?;
    topics(&client).await;
    records(&client).await;
    Ok(())
}
