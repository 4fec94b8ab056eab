// A replica in Go: a plain gRPC server that knows nothing of Drover but an address and a signal. It serves no
// drover.replica.v1.ReplicaService, so the gateway counts its load, and a user_config cannot be given to it.
//
// Whether it keeps what Drover expects of a replica:
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
	// After SIGTERM a replica is killed within 5 s: what is in work then ends a little sooner, with a status.
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
		// The context ends when the caller leaves: who goes on without it keeps a place that another could have.
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// listen listens where Drover says: at `unix:/path`, or at `host:port`.
func listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return net.Listen("unix", path)
	}
	return net.Listen("tcp", address)
}

func main() {
	listener, err := listen(os.Getenv("DROVER_LISTEN"))
	if err != nil {
		log.Fatalf("cannot listen at DROVER_LISTEN: %v", err) // the last lines of standard error are shown by `drover status`
	}
	server := grpc.NewServer()
	greeterv1.RegisterGreeterServiceServer(server, greeter{})
	// A replica gets requests once its health is SERVING. A program that must load something first says so when it has.
	replicaHealth := health.NewServer()
	healthv1.RegisterHealthServer(server, replicaHealth)
	// By reflection the gateway learns that this deployment serves greeter.v1.GreeterService.
	reflection.Register(server)

	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		<-terminated
		replicaHealth.Shutdown()
		// Drover sends no more requests by now; those in work may end.
		timer := time.AfterFunc(stopAfter, server.Stop)
		defer timer.Stop()
		server.GracefulStop()
		close(stopped)
	}()
	if err := server.Serve(listener); err != nil {
		log.Fatalf("cannot serve: %v", err)
	}
	<-stopped // Serve returns as soon as the server stops to accept
}
