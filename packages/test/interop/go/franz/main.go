// A walk through franz-go and its kadm; run with the broker's host:port, or with secured and a file of cases. src/scoreboard/walk.ts reads what it prints.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "franz-walk"

var server = os.Args[1]

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func check(name string, body func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			say(map[string]any{"check": name, "ok": false, "reason": fmt.Sprint(cause)})
		}
	}()
	if err := body(ctx); err != nil {
		say(map[string]any{"check": name, "ok": false, "reason": err.Error()})
	} else {
		say(map[string]any{"check": name, "ok": true})
	}
}

func equal(what string, found, expected any) error {
	if found != expected {
		return fmt.Errorf("%s is %v, not %v", what, found, expected)
	}
	return nil
}

func refused(err, expected error) error {
	if err == nil {
		return fmt.Errorf("not refused with %v", expected)
	}
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func client(options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.SeedBrokers(server), kgo.RetryTimeout(8 * time.Second)}
	made, err := kgo.NewClient(append(base, options...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Version
		}
	}
	return ""
}

func topics(admin *kadm.Client) {
	create := func(ctx context.Context, name string, partitions int32, replicas int16, configs map[string]*string) error {
		answer, err := admin.CreateTopic(ctx, partitions, replicas, configs, name)
		return first(err, answer.Err)
	}
	hour, soon := "3600000", "soon"
	check("create a topic", func(ctx context.Context) error {
		if err := create(ctx, topic, 2, 1, map[string]*string{"retention.ms": &hour}); err != nil {
			return err
		}
		return refused(create(ctx, topic, 2, 1, nil), kerr.TopicAlreadyExists)
	})
	check("what is wrong with a topic is told", func(ctx context.Context) error {
		return first(
			refused(create(ctx, "wrong", 1, 3, nil), kerr.InvalidReplicationFactor),
			refused(create(ctx, "wr/ong", 1, 1, nil), kerr.InvalidTopicException),
			refused(create(ctx, "wrong", 1, 1, map[string]*string{"retention.ms": &soon}), kerr.InvalidConfig))
	})
	check("list topics", func(ctx context.Context) error {
		found, err := admin.ListTopics(ctx)
		return first(err, equal("listed", found.Has(topic), true))
	})
	check("describe a topic", func(ctx context.Context) error {
		found, err := admin.ListTopics(ctx, topic)
		return first(err, found.Error(), equal("partitions", len(found[topic].Partitions), 2))
	})
	check("add partitions", func(ctx context.Context) error {
		answers, err := admin.CreateTopics(ctx, 1, 1, nil, "grows")
		grown, err2 := admin.UpdatePartitions(ctx, 3, "grows")
		if err := first(err, answers.Error(), err2, grown.Error()); err != nil {
			return err
		}
		found, err := admin.ListTopics(ctx, "grows")
		return first(err, equal("partitions", len(found["grows"].Partitions), 3))
	})
	retention := func(ctx context.Context) (string, error) {
		found, err := admin.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return "", err
		}
		resource, err := found.On(topic, nil)
		for _, config := range resource.Configs {
			if config.Key == "retention.ms" {
				return config.MaybeValue(), first(err, resource.Err)
			}
		}
		return "", first(err, resource.Err)
	}
	check("describe a topic's settings", func(ctx context.Context) error {
		found, err := retention(ctx)
		return first(err, equal("retention", found, hour))
	})
	check("alter a topic's settings", func(ctx context.Context) error {
		value := "7200000"
		set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}
		answers, err := admin.AlterTopicConfigs(ctx, set, topic)
		if err := first(err, answers[0].Err); err != nil {
			return err
		}
		found, err := retention(ctx)
		return first(err, equal("retention", found, value))
	})
	check("describe the cluster", func(ctx context.Context) error {
		found, err := admin.BrokerMetadata(ctx)
		return first(err, equal("nodes", len(found.Brokers), 1))
	})
}

func produce() {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		check("produce with "+name, func(ctx context.Context) error {
			cl := client(kgo.ProducerBatchCompression(codecs[name]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			defer cl.Close()
			var records []*kgo.Record
			for i := 0; i < 20; i++ {
				records = append(records, &kgo.Record{Topic: topic, Value: []byte(strings.Repeat(name, 50))})
			}
			return cl.ProduceSync(ctx, records...).FirstErr()
		})
	}
	check("produce keys, headers and nulls", func(ctx context.Context) error {
		cl := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		defer cl.Close()
		headers := []kgo.RecordHeader{{Key: "trace", Value: []byte("1")}, {Key: "none", Value: nil}}
		return cl.ProduceSync(ctx,
			&kgo.Record{Topic: topic, Partition: 1, Key: []byte("key"), Value: []byte("žluťoučký"), Headers: headers, Timestamp: time.UnixMilli(1000)},
			&kgo.Record{Topic: topic, Partition: 1, Key: []byte("gone"), Timestamp: time.UnixMilli(2000)},
			&kgo.Record{Topic: topic, Partition: 1, Value: []byte{}, Timestamp: time.UnixMilli(3000)}).FirstErr()
	})
	for _, acks := range []string{"none", "leader"} {
		check("produce with acks of "+acks, func(ctx context.Context) error {
			wanted := map[string]kgo.Acks{"none": kgo.NoAck(), "leader": kgo.LeaderAck()}[acks]
			cl := client(kgo.RequiredAcks(wanted), kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			defer cl.Close()
			return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("plain")}).FirstErr()
		})
	}
	check("produce 5000 records idempotently", func(ctx context.Context) error {
		cl := client(kgo.ProducerBatchMaxBytes(2000), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		defer cl.Close()
		var records []*kgo.Record
		for i := 0; i < 5000; i++ {
			records = append(records, &kgo.Record{Topic: "grows", Value: []byte("x")})
		}
		results := cl.ProduceSync(ctx, records...)
		if err := results.FirstErr(); err != nil {
			return err
		}
		return equal("last offset", records[4999].Offset, int64(4999))
	})
	check("produce in a transaction", func(ctx context.Context) error {
		cl := client(kgo.TransactionalID("franz"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		defer cl.Close()
		if err := cl.BeginTransaction(); err != nil {
			return err
		}
		err := cl.ProduceSync(ctx, &kgo.Record{Topic: "grows", Partition: 1, Value: []byte("committed")}).FirstErr()
		return first(err, cl.EndTransaction(ctx, kgo.TryCommit))
	})
}

func take(ctx context.Context, cl *kgo.Client, count int) ([]*kgo.Record, error) {
	var found []*kgo.Record
	for len(found) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("%d of %d records came: %w", len(found), count, err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, errs[0].Err
		}
		found = append(found, fetches.Records()...)
	}
	return found, nil
}

func member(group string, options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.FetchMaxWait(500 * time.Millisecond)}
	return client(append(base, options...)...)
}

func of(records []*kgo.Record, partition int32) (found []*kgo.Record) {
	for _, record := range records {
		if record.Partition == partition {
			found = append(found, record)
		}
	}
	return found
}

func consume(total int) {
	check("consume everything in a group", func(ctx context.Context) error {
		cl := member("all")
		defer cl.Close()
		found, err := take(ctx, cl, total)
		if err != nil {
			return err
		}
		one := of(found, 1)
		return first(
			equal("value", string(one[0].Value), "žluťoučký"),
			equal("headers", len(one[0].Headers), 2),
			equal("header of null", one[0].Headers[1].Value == nil, true),
			equal("timestamp", one[0].Timestamp.UnixMilli(), int64(1000)),
			equal("tombstone", one[1].Value == nil, true),
			equal("no key", one[2].Key == nil, true),
			equal("empty value", one[2].Value != nil && len(one[2].Value) == 0, true))
	})
	check("commit, then go on from there", func(ctx context.Context) error {
		for _, start := range []int64{0, 2} {
			cl := member("commit")
			found, err := take(ctx, cl, total-int(start))
			if err == nil {
				err = equal("first offset", of(found, 1)[0].Offset, start)
			}
			if err == nil {
				err = cl.CommitRecords(ctx, &kgo.Record{Topic: topic, Partition: 1, Offset: 1, LeaderEpoch: -1})
			}
			cl.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	check("consume from a given offset", func(ctx context.Context) error {
		where := map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().At(2)}}
		cl := client(kgo.ConsumePartitions(where))
		defer cl.Close()
		found, err := take(ctx, cl, 1)
		if err != nil {
			return err
		}
		return equal("offset", found[0].Offset, int64(2))
	})
	check("consume from the earliest, the latest and a time", func(ctx context.Context) error {
		where := map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().AfterMilli(1500), 0: kgo.NewOffset().AtEnd()}}
		cl := client(kgo.ConsumePartitions(where))
		defer cl.Close()
		found, err := take(ctx, cl, 1)
		if err != nil {
			return err
		}
		return equal("offset", found[0].Offset, int64(1))
	})
	check("two members share the partitions", func(ctx context.Context) error {
		one, two := member("two"), member("two")
		defer one.Close()
		defer two.Close()
		admin := kadm.NewClient(one)
		for {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			one.PollFetches(short)
			two.PollFetches(short)
			cancel()
			described, err := admin.DescribeGroups(ctx, "two")
			if err != nil {
				return err
			}
			group := described["two"]
			if group.State == "Stable" && len(group.Members) == 2 {
				return nil
			}
		}
	})
}

func groups(admin *kadm.Client) {
	check("list and describe groups", func(ctx context.Context) error {
		listed, err := admin.ListGroups(ctx)
		if err != nil {
			return err
		}
		_, there := listed["commit"]
		described, err := admin.DescribeGroups(ctx, "commit")
		return first(err, equal("listed", there, true), equal("state", described["commit"].State, "Empty"))
	})
	check("list and alter offsets of a group", func(ctx context.Context) error {
		found, err := admin.FetchOffsets(ctx, "commit")
		if err != nil {
			return err
		}
		offset, _ := found.Lookup(topic, 1)
		if err := equal("offset", offset.At, int64(2)); err != nil {
			return err
		}
		var wanted kadm.Offsets
		wanted.AddOffset(topic, 1, 1, -1)
		answers, err := admin.CommitOffsets(ctx, "commit", wanted)
		return first(err, answers.Error())
	})
	check("delete offsets of a group", func(ctx context.Context) error {
		var set kadm.TopicsSet
		set.Add(topic, 1)
		answers, err := admin.DeleteOffsets(ctx, "commit", set)
		return first(err, answers.Error())
	})
	check("delete a group", func(ctx context.Context) error {
		answers, err := admin.DeleteGroups(ctx, "commit")
		if err := first(err, answers.Error()); err != nil {
			return err
		}
		answers, err = admin.DeleteGroups(ctx, "commit")
		return first(err, refused(answers.Error(), kerr.GroupIDNotFound))
	})
	check("list offsets, earliest, latest, by time, of the largest time", func(ctx context.Context) error {
		start, err1 := admin.ListStartOffsets(ctx, topic)
		end, err2 := admin.ListEndOffsets(ctx, topic)
		after, err3 := admin.ListOffsetsAfterMilli(ctx, 1500, topic)
		largest, err4 := admin.ListMaxTimestampOffsets(ctx, topic)
		if err := first(err1, err2, err3, err4); err != nil {
			return err
		}
		at := func(offsets kadm.ListedOffsets) int64 { one, _ := offsets.Lookup(topic, 1); return one.Offset }
		return first(equal("start", at(start), int64(0)), equal("end", at(end), int64(3)),
			equal("after", at(after), int64(1)), equal("of the largest time", at(largest), int64(2)))
	})
	check("delete records", func(ctx context.Context) error {
		var offsets kadm.Offsets
		offsets.AddOffset(topic, 1, 2, -1)
		answers, err := admin.DeleteRecords(ctx, offsets)
		return first(err, answers.Error())
	})
	check("describe log directories", func(ctx context.Context) error {
		found, err := admin.DescribeAllLogDirs(ctx, nil)
		return first(err, equal("brokers", len(found), 1))
	})
	check("elect leaders", func(ctx context.Context) error {
		var set kadm.TopicsSet
		set.Add(topic, 0)
		found, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
		if err != nil {
			return err
		}
		return refused(found[topic][0].Err, kerr.ElectionNotNeeded)
	})
	check("list reassignments", func(ctx context.Context) error {
		var set kadm.TopicsSet
		set.Add(topic, 0)
		found, err := admin.ListPartitionReassignments(ctx, set)
		return first(err, equal("under way", len(found), 0))
	})
	check("describe producers", func(ctx context.Context) error {
		var set kadm.TopicsSet
		set.Add("grows", 0)
		found, err := admin.DescribeProducers(ctx, set)
		return first(err, equal("producers", len(found.SortedProducers()), 1))
	})
	check("alter quotas", func(ctx context.Context) error {
		name := "walk"
		entity := []kadm.ClientQuotaEntityComponent{{Type: "client-id", Name: &name}}
		entry := kadm.AlterClientQuotaEntry{Entity: entity, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1000}}}
		answers, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{entry})
		if err != nil {
			return err
		}
		return answers[0].Err
	})
	check("delete a topic", func(ctx context.Context) error {
		answer, err := admin.DeleteTopic(ctx, topic)
		if err := first(err, answer.Err); err != nil {
			return err
		}
		answer, err = admin.DeleteTopic(ctx, topic)
		return refused(first(err, answer.Err), kerr.UnknownTopicOrPartition)
	})
}

func main() {
	say(map[string]any{"version": version()})
	if server == "secured" {
		secured(os.Args[2])
		return
	}
	cl := client()
	defer cl.Close()
	admin := kadm.NewClient(cl)
	topics(admin)
	produce()
	ends, _ := admin.ListEndOffsets(context.Background(), topic)
	total := 0
	ends.Each(func(one kadm.ListedOffset) { total += int(one.Offset) })
	consume(total)
	groups(admin)
}
