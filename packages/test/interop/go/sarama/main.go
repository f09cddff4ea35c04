// A walk through sarama; run with the broker's host:port. src/scoreboard/walk.ts reads what it prints.
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

	"github.com/IBM/sarama"
)

const topic = "sarama-walk"

var servers = []string{os.Args[1]}

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// check tries one thing in a goroutine: sarama's calls take no context.
func check(name string, body func() error) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- fmt.Errorf("%v", cause)
			}
		}()
		done <- body()
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(20 * time.Second):
		err = errors.New("nothing came of it in 20 s")
	}
	if err != nil {
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

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/IBM/sarama" {
			return module.Version
		}
	}
	return ""
}

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.MaxVersion
	made.Net.ReadTimeout = 8 * time.Second
	made.Metadata.Retry.Max = 3
	made.Producer.Return.Successes = true
	made.Producer.Partitioner = sarama.NewManualPartitioner
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.MaxWaitTime = 200 * time.Millisecond
	return made
}

func topics(admin sarama.ClusterAdmin) {
	hour, soon, two := "3600000", "soon", "7200000"
	plain := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}
	check("create a topic", func() error {
		full := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &hour}}
		return first(admin.CreateTopic(topic, full, false), refused(admin.CreateTopic(topic, full, false), sarama.ErrTopicAlreadyExists))
	})
	check("what is wrong with a topic is told", func() error {
		wrong := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &soon}}
		return first(
			refused(admin.CreateTopic("wrong", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 3}, false), sarama.ErrInvalidReplicationFactor),
			refused(admin.CreateTopic("wr/ong", plain, false), sarama.ErrInvalidTopic),
			refused(admin.CreateTopic("wrong", wrong, false), sarama.ErrInvalidConfig))
	})
	check("list topics", func() error {
		found, err := admin.ListTopics()
		_, there := found[topic]
		return first(err, equal("listed", there, true))
	})
	check("describe a topic", func() error {
		found, err := admin.DescribeTopics([]string{topic})
		return first(err, equal("partitions", len(found[0].Partitions), 2))
	})
	check("add partitions", func() error {
		err := first(admin.CreateTopic("grows", plain, false), admin.CreatePartitions("grows", 3, nil, false))
		if err != nil {
			return err
		}
		found, err := admin.DescribeTopics([]string{"grows"})
		return first(err, equal("partitions", len(found[0].Partitions), 3))
	})
	retention := func() (string, error) {
		found, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
		if err != nil || len(found) != 1 {
			return fmt.Sprint(found), err
		}
		return found[0].Value, nil
	}
	check("describe a topic's settings", func() error {
		found, err := retention()
		return first(err, equal("retention", found, hour))
	})
	check("alter a topic's settings", func() error {
		set := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &two}}
		if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, set, false); err != nil {
			return err
		}
		found, err := retention()
		return first(err, equal("retention", found, two))
	})
	check("replace a topic's settings (AlterConfigs)", func() error {
		return admin.AlterConfig(sarama.TopicResource, "grows", map[string]*string{"retention.ms": &two}, false)
	})
	check("describe the cluster", func() error {
		brokers, _, err := admin.DescribeCluster()
		return first(err, equal("nodes", len(brokers), 1))
	})
}

func send(settings *sarama.Config, messages ...*sarama.ProducerMessage) error {
	producer, err := sarama.NewSyncProducer(servers, settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.SendMessages(messages)
}

func produce() {
	for name, codec := range map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD} {
		check("produce with "+name, func() error {
			settings := config()
			settings.Producer.Compression = codec
			var messages []*sarama.ProducerMessage
			for i := 0; i < 20; i++ {
				messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(strings.Repeat(name, 50))})
			}
			return send(settings, messages...)
		})
	}
	check("produce keys, headers and nulls", func() error {
		headers := []sarama.RecordHeader{{Key: []byte("trace"), Value: []byte("1")}}
		return send(config(),
			&sarama.ProducerMessage{Topic: topic, Partition: 1, Key: sarama.StringEncoder("key"), Value: sarama.StringEncoder("žluťoučký"), Headers: headers, Timestamp: time.UnixMilli(1000)},
			&sarama.ProducerMessage{Topic: topic, Partition: 1, Key: sarama.StringEncoder("gone"), Timestamp: time.UnixMilli(2000)},
			&sarama.ProducerMessage{Topic: topic, Partition: 1, Value: sarama.StringEncoder(""), Timestamp: time.UnixMilli(3000)})
	})
	for name, acks := range map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal} {
		check("produce with acks="+name, func() error {
			settings := config()
			settings.Producer.RequiredAcks = acks
			return send(settings, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("plain")})
		})
	}
	idempotent := func() *sarama.Config {
		settings := config()
		settings.Producer.Idempotent = true
		settings.Producer.RequiredAcks = sarama.WaitForAll
		settings.Net.MaxOpenRequests = 1
		return settings
	}
	check("produce 2000 records idempotently", func() error {
		var messages []*sarama.ProducerMessage
		for i := 0; i < 2000; i++ {
			messages = append(messages, &sarama.ProducerMessage{Topic: "grows", Value: sarama.StringEncoder("x")})
		}
		return first(send(idempotent(), messages...), equal("last offset", messages[1999].Offset, int64(1999)))
	})
	check("produce in a transaction", func() error {
		settings := idempotent()
		settings.Producer.Transaction.ID = "sarama"
		settings.Producer.Transaction.Retry.Max = 50
		producer, err := sarama.NewSyncProducer(servers, settings)
		if err != nil {
			return err
		}
		defer producer.Close()
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: "grows", Partition: 1, Value: sarama.StringEncoder("committed")})
		return first(err, producer.CommitTxn())
	})
}

// taker collects what a group's session gives, and commits `commit` of partition 1.
type taker struct {
	found  chan *sarama.ConsumerMessage
	commit int64
}

func (t *taker) Setup(sarama.ConsumerGroupSession) error { return nil }
func (t *taker) Cleanup(session sarama.ConsumerGroupSession) error {
	if t.commit >= 0 {
		session.MarkOffset(topic, 1, t.commit, "mine")
		session.Commit()
	}
	return nil
}
func (t *taker) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			t.found <- message
		case <-session.Context().Done():
			return nil
		}
	}
}

func take(group string, count int, commit int64) ([]*sarama.ConsumerMessage, error) {
	member, err := sarama.NewConsumerGroup(servers, group, config())
	if err != nil {
		return nil, err
	}
	defer member.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	into := &taker{found: make(chan *sarama.ConsumerMessage, 1000), commit: commit}
	ended := make(chan error, 1)
	go func() { ended <- member.Consume(ctx, []string{topic}, into) }()
	var found []*sarama.ConsumerMessage
	for len(found) < count {
		select {
		case message := <-into.found:
			found = append(found, message)
		case err := <-ended:
			return nil, fmt.Errorf("%d of %d records came: %v", len(found), count, err)
		}
	}
	cancel()
	return found, <-ended
}

func of(messages []*sarama.ConsumerMessage, partition int32) (found []*sarama.ConsumerMessage) {
	for _, message := range messages {
		if message.Partition == partition {
			found = append(found, message)
		}
	}
	return found
}

func consume(cl sarama.Client) {
	total := 0
	for partition := int32(0); partition < 2; partition++ {
		end, _ := cl.GetOffset(topic, partition, sarama.OffsetNewest)
		total += int(end)
	}
	check("consume everything in a group", func() error {
		found, err := take("all", total, -1)
		if err != nil {
			return err
		}
		one := of(found, 1)
		return first(
			equal("value", string(one[0].Value), "žluťoučký"),
			equal("header", string(one[0].Headers[0].Value), "1"),
			equal("timestamp", one[0].Timestamp.UnixMilli(), int64(1000)),
			equal("tombstone", one[1].Value == nil, true),
			equal("no key", one[2].Key == nil, true),
			equal("empty value", one[2].Value != nil && len(one[2].Value) == 0, true))
	})
	check("commit, then go on from there", func() error {
		for _, start := range []int64{0, 2} {
			found, err := take("commit", total-int(start), 2)
			if err != nil {
				return err
			}
			if err := equal("first offset", of(found, 1)[0].Offset, start); err != nil {
				return err
			}
		}
		return nil
	})
	check("consume from a given offset", func() error {
		consumer, err := sarama.NewConsumer(servers, config())
		if err != nil {
			return err
		}
		defer consumer.Close()
		partition, err := consumer.ConsumePartition(topic, 1, 2)
		if err != nil {
			return err
		}
		defer partition.Close()
		return equal("offset", (<-partition.Messages()).Offset, int64(2))
	})
	check("list offsets, earliest, latest, by time", func() error {
		oldest, err1 := cl.GetOffset(topic, 1, sarama.OffsetOldest)
		newest, err2 := cl.GetOffset(topic, 1, sarama.OffsetNewest)
		after, err3 := cl.GetOffset(topic, 1, 1500)
		return first(err1, err2, err3, equal("oldest", oldest, int64(0)), equal("newest", newest, int64(3)), equal("after", after, int64(1)))
	})
}

func groups(admin sarama.ClusterAdmin) {
	check("list and describe groups", func() error {
		listed, err := admin.ListConsumerGroups()
		if err != nil {
			return err
		}
		_, there := listed["commit"]
		described, err := admin.DescribeConsumerGroups([]string{"commit"})
		return first(err, equal("listed", there, true), equal("state", described[0].State, "Empty"))
	})
	check("list offsets of a group", func() error {
		found, err := admin.ListConsumerGroupOffsets("commit", map[string][]int32{topic: {1}})
		if err != nil {
			return err
		}
		block := found.GetBlock(topic, 1)
		return first(equal("offset", block.Offset, int64(2)), equal("metadata", block.Metadata, "mine"))
	})
	check("delete offsets of a group", func() error { return admin.DeleteConsumerGroupOffset("commit", topic, 1) })
	check("delete a group", func() error {
		return first(admin.DeleteConsumerGroup("commit"), refused(admin.DeleteConsumerGroup("commit"), sarama.ErrGroupIDNotFound))
	})
	check("delete records", func() error { return admin.DeleteRecords(topic, map[int32]int64{1: 2}) })
	brokers, _, _ := admin.DescribeCluster()
	node := brokers[0].ID()
	check("describe log directories", func() error {
		found, err := admin.DescribeLogDirs([]int32{node})
		return first(err, equal("directories", len(found[node]), 1))
	})
	check("elect leaders", func() error {
		found, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
		if err != nil {
			return err
		}
		return equal("error", found[topic][0].ErrorCode, sarama.ErrElectionNotNeeded)
	})
	check("reassign partitions", func() error {
		if err := admin.AlterPartitionReassignments("grows", [][]int32{{node}, {node}, {node}}); err != nil {
			return err
		}
		found, err := admin.ListPartitionReassignments("grows", []int32{0})
		return first(err, equal("under way", len(found), 0))
	})
	check("alter and describe quotas", func() error {
		entity := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Name: "walk"}}
		op := sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1000}
		if err := admin.AlterClientQuotas(entity, op, false); err != nil {
			return err
		}
		_, err := admin.DescribeClientQuotas(nil, false)
		return err
	})
	check("alter and describe SCRAM credentials", func() error {
		upsert := []sarama.AlterUserScramCredentialsUpsert{{Name: "walk", Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 4096, Salt: []byte("salt"), Password: []byte("secret")}}
		results, err := admin.UpsertUserScramCredentials(upsert)
		if err != nil {
			return err
		}
		return equal("error", results[0].ErrorCode, sarama.ErrNoError)
	})
	check("create access rules, which no authorizer keeps", func() error {
		resource := sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: topic, ResourcePatternType: sarama.AclPatternLiteral}
		acl := sarama.Acl{Principal: "User:walk", Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow}
		return refused(admin.CreateACL(resource, acl), sarama.ErrSecurityDisabled)
	})
	check("delete a topic", func() error {
		return first(admin.DeleteTopic(topic), refused(admin.DeleteTopic(topic), sarama.ErrUnknownTopicOrPartition))
	})
}

func main() {
	say(map[string]any{"version": version()})
	cl, err := sarama.NewClient(servers, config())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	admin, err := sarama.NewClusterAdminFromClient(cl)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	topics(admin)
	produce()
	consume(cl)
	groups(admin)
}
