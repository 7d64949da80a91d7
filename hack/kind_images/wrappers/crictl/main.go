// Command crictl answers the two questions that Kind asks of a node's container runtime: is this image there
// (`inspecti`, as JSON), and which images are there (`images`, for exported logs).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const endpoint = "unix:///run/containerd/containerd.sock"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	images := runtime.NewImageServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	switch {
	case len(args) > 1 && args[0] == "inspecti":
		return inspect(ctx, images, args[len(args)-1])
	case len(args) > 0 && args[0] == "images":
		return list(ctx, images)
	}
	return fmt.Errorf("usage: crictl inspecti IMAGE | crictl images (a stand-in; `ctr --namespace k8s.io` does more)")
}

func inspect(ctx context.Context, images runtime.ImageServiceClient, reference string) error {
	answer, err := images.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: reference}})
	if err != nil {
		return err
	}
	if answer.Image == nil {
		return fmt.Errorf("no such image %q present", reference)
	}
	status := map[string]any{
		"id":          answer.Image.Id,
		"repoTags":    answer.Image.RepoTags,
		"repoDigests": answer.Image.RepoDigests,
		"size":        fmt.Sprint(answer.Image.Size),
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(map[string]any{"status": status})
}

func list(ctx context.Context, images runtime.ImageServiceClient) error {
	answer, err := images.ListImages(ctx, &runtime.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, image := range answer.Images {
		names := strings.Join(append(image.RepoTags, image.RepoDigests...), ",")
		fmt.Printf("%s\t%s\t%.1fMB\n", names, image.Id, float64(image.Size)/1e6)
	}
	return nil
}
