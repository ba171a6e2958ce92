// A receiver in Go: the standard library's server and franz-go, the client that Redpanda Connect is built on.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The fields of all events that the load generator posts; pointers tell what is missing.
type event struct {
	ClientID          *int32 `json:"ClientId"`
	ApplicationID     *int32 `json:"ApplicationId"`
	ClientOrderRef    *string
	OrderID           *int64 `json:"OrderId"`
	OrderNo           *string
	Source            *string
	ErpOrderNo        *string
	PaymentCode       *string
	PaymentMethodCode *string
	PaymentRef        *string
	Amount            *json.Number
	CurrencyCode      *string
	BasketID          *int32 `json:"BasketId"`
	CellPhone         *string
	FirstName         *string
	LastName          *string
	Email             *string
	ErrorMessage      *string
}

const (
	orders        = "norce.events.order"
	payments      = "norce.events.payment"
	subscriptions = "norce.events.subscription"
)

var topics = map[string]string{
	"OrderReceivedEvent": orders, "OrderConfirmedEvent": orders, "OrderPartlyDeliveredEvent": orders,
	"OrderReadyForPickupEvent": orders, "OrderDeliveredEvent": orders, "OrderCancelledEvent": orders,
	"OrderPaymentReceivedEvent": payments, "SubscriptionFailedEvent": subscriptions,
}

func complete(kind string, found *event) bool {
	if found.ClientID == nil || found.ApplicationID == nil {
		return false
	}
	switch topics[kind] {
	case payments:
		return found.ClientOrderRef != nil && found.ErpOrderNo != nil && found.PaymentCode != nil
	case subscriptions:
		return found.BasketID != nil
	}
	if found.ClientOrderRef == nil || found.Source == nil {
		return false
	}
	return kind == "OrderReceivedEvent" || (found.OrderID != nil && found.OrderNo != nil)
}

func identity() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func main() {
	secret := []byte(os.Getenv("BENCH_SECRET"))
	// Idempotent and acknowledged by every in-sync replica: both are the client's defaults, and said here all the same.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), // as all other receivers
	)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /webhooks/norce/{kind}", func(answer http.ResponseWriter, request *http.Request) {
		if subtle.ConstantTimeCompare([]byte(request.Header.Get("x-norce-secret")), secret) != 1 {
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		kind := request.PathValue("kind")
		body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, 65536))
		var found event
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err != nil || topics[kind] == "" || decoder.Decode(&found) != nil || !complete(kind, &found) {
			answer.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		reference := ""
		if found.ClientOrderRef != nil {
			reference = *found.ClientOrderRef
		} else {
			reference = strconv.Itoa(int(*found.BasketID))
		}
		key := []byte(fmt.Sprintf("%d:%d:%s", *found.ClientID, *found.ApplicationID, reference))
		record := &kgo.Record{Topic: topics[kind], Key: key, Value: body, Headers: []kgo.RecordHeader{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte(identity())},
			{Key: "ce_type", Value: []byte("io.norce." + kind)},
			{Key: "ce_source", Value: []byte("/norce")},
			{Key: "ce_time", Value: []byte(time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))},
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "ce_partitionkey", Value: key},
		}}
		if err := client.ProduceSync(request.Context(), record).FirstErr(); err != nil {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1]}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		panic(err)
	}
}
