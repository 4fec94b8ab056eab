// A replica in Go: a plain gRPC server that needs only an address and a signal from Drover. It does
// not serve drover.replica.v1.ReplicaService, so the gateway counts its load, and it cannot take a
// user_config.
//
// Check the contract of replicas with:
//
//	go build -o dist/ . && drover conformance -- dist/go-greeter
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	greeterv1 "go-greeter/gen/greeter/v1"
)

const (
	// Between two greetings of GreetRepeatedly.
	pause = 100 * time.Millisecond
	// A replica is killed 5 s after SIGTERM. Ongoing requests end a little earlier, with a status.
	stopAfter  = 4 * time.Second
	timesLimit = 1000
)

type greeter struct {
	greeterv1.UnimplementedGreeterServiceServer
}

func (greeter) Greet(_ context.Context, request *greeterv1.GreetRequest) (*greeterv1.GreetResponse, error) {
	if request.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "name: tell me whom to greet")
	}
	return &greeterv1.GreetResponse{Greeting: fmt.Sprintf("Hello, %s!", request.GetName())}, nil
}

func (greeter) GreetRepeatedly(
	request *greeterv1.GreetRepeatedlyRequest,
	stream grpc.ServerStreamingServer[greeterv1.GreetRepeatedlyResponse],
) error {
	if times := request.GetTimes(); times < 1 || times > timesLimit {
		return status.Errorf(codes.InvalidArgument, "times: must be 1 to %d, not %d", timesLimit, times)
	}
	for count := int32(1); count <= request.GetTimes(); count++ {
		greeting := fmt.Sprintf("Hello, %s! (%d)", request.GetName(), count)
		if err := stream.Send(&greeterv1.GreetRepeatedlyResponse{Greeting: greeting}); err != nil {
			return err
		}
		// The context ends when the caller leaves; stop then, to free the place for another request.
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// listen listens at Drover's address, `unix:/path` or `host:port`.
func listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return net.Listen("unix", path)
	}
	return net.Listen("tcp", address)
}

func main() {
	listener, err := listen(os.Getenv("DROVER_LISTEN"))
	if err != nil {
		log.Fatalf("cannot listen at DROVER_LISTEN: %v", err) // `drover status` shows the last lines of standard error
	}
	server := grpc.NewServer()
	greeterv1.RegisterGreeterServiceServer(server, greeter{})
	// A replica gets requests once its health is SERVING. A program that must load something sets it
	// after that.
	replicaHealth := health.NewServer()
	healthv1.RegisterHealthServer(server, replicaHealth)
	// The gateway uses reflection to find that this deployment serves greeter.v1.GreeterService.
	reflection.Register(server)

	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		<-terminated
		replicaHealth.Shutdown()
		// Drover sends no more requests now; ongoing requests may end.
		timer := time.AfterFunc(stopAfter, server.Stop)
		defer timer.Stop()
		server.GracefulStop()
		close(stopped)
	}()
	if err := server.Serve(listener); err != nil {
		log.Fatalf("cannot serve: %v", err)
	}
	<-stopped // Serve returns as soon as the server stops accepting
}
