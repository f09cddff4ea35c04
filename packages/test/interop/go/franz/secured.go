package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// A way of connecting; src/samsa-client/secured-cases.ts writes them.
type way struct {
	Name, Server, Topic, Ca, Cert, Key, Mechanism, Username, Password, Token, Refused string
	Tls                                                                               bool
}

func read(file string) []byte {
	bytes, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	return bytes
}

func (w way) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(w.Server), kgo.RetryTimeout(4 * time.Second), kgo.RecordDeliveryTimeout(4 * time.Second),
		kgo.ConsumeTopics(w.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if w.Tls {
		config := &tls.Config{}
		if w.Ca != "" {
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(read(w.Ca))
		}
		if w.Cert != "" {
			pair, err := tls.LoadX509KeyPair(w.Cert, w.Key)
			if err != nil {
				panic(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	switch auth := (scram.Auth{User: w.Username, Pass: w.Password}); w.Mechanism {
	case "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: w.Username, Pass: w.Password}.AsMechanism()))
	case "OAUTHBEARER":
		options = append(options, kgo.SASL(oauth.Auth{Token: w.Token}.AsMechanism()))
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(auth.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(auth.AsSha512Mechanism()))
	}
	return options
}

// Sends a record and reads it.
func (w way) exchange(ctx context.Context) error {
	cl, err := kgo.NewClient(w.options()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	value := fmt.Sprintf("franz %s %d", w.Name, time.Now().UnixNano())
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: w.Topic, Value: []byte(value)}).FirstErr(); err != nil {
		return err
	}
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if string(record.Value) == value {
				return nil
			}
		}
	}
}

func (w way) refusal(ctx context.Context) error {
	cl, err := kgo.NewClient(w.options()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}

func secured(file string) {
	var ways []way
	if err := json.Unmarshal(read(file), &ways); err != nil {
		panic(err)
	}
	for _, w := range ways {
		check(w.Name, func(ctx context.Context) error {
			switch w.Refused {
			case "":
				return w.exchange(ctx)
			case "credentials":
				if w.Token != "" {
					// The client takes the broker's reason for an answer that cannot be.
					if err := w.refusal(ctx); err == nil || !strings.Contains(err.Error(), "unexpected data in oauth response") {
						return fmt.Errorf("not refused by the broker: %w", err)
					}
					return nil
				}
				return refused(w.refusal(ctx), kerr.SaslAuthenticationFailed)
			}
			err := w.refusal(ctx)
			var unknown x509.UnknownAuthorityError
			var remote *net.OpError // An alert of the broker.
			if errors.As(err, &unknown) || errors.As(err, &remote) && remote.Op == "remote error" {
				return nil
			}
			return fmt.Errorf("not refused by TLS: %w", err)
		})
	}
}
