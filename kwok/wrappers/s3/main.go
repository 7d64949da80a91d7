// Command s3 serves S3 on ADDRESS from the file FILE: what a suite has in the place of an object store.
//
// The server below it asks nobody who he is. Here each request must be signed (version 4) with the one pair of keys of
// the environment, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; GET /-/ready is for all.
package main

import (
	"context"
	"crypto/subtle"
	"encoding/xml"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3bolt"
	bolt "go.etcd.io/bbolt"
)

const (
	ready   = "/-/ready"
	scheme  = "AWS4-HMAC-SHA256 "
	payload = "X-Amz-Content-Sha256"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: s3 ADDRESS FILE")
	}
	keys := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	if keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		log.Fatal("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	store, err := bolt.Open(os.Args[2], 0o600, &bolt.Options{Timeout: time.Second, NoSync: true})
	if err != nil {
		log.Fatalf("%s: %v", os.Args[2], err)
	}
	server := gofakes3.New(s3bolt.New(store), gofakes3.WithGlobalLog()).Server()
	log.Printf("serving on %s", os.Args[1])
	log.Fatal(http.ListenAndServe(os.Args[1], signed(keys, server)))
}

// signed lets through what is signed with these keys, and answers the rest as S3 does.
func signed(keys aws.Credentials, next http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet && request.URL.Path == ready {
			answer.WriteHeader(http.StatusOK)
			return
		}
		if code, message := refused(keys, request); code != "" {
			log.Printf("%s %s: %s: %s", request.Method, request.URL.Path, code, message)
			refuse(answer, code, message)
			return
		}
		next.ServeHTTP(answer, request)
	})
}

// refused says why a request is not one of these keys, as a code of S3 and a sentence; both empty where it is.
func refused(keys aws.Credentials, request *http.Request) (string, string) {
	given := request.Header.Get("Authorization")
	if !strings.HasPrefix(given, scheme) {
		return "AccessDenied", "the request is not signed: a header Authorization with " + strings.TrimSpace(scheme) + " is needed"
	}
	fields := map[string]string{}
	for _, field := range strings.Split(strings.TrimPrefix(given, scheme), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 {
		return "AuthorizationHeaderMalformed", "the Credential is not KEY/DATE/REGION/SERVICE/aws4_request"
	}
	if scope[0] != keys.AccessKeyID {
		return "InvalidAccessKeyId", "the access key is not the one that the suite declares"
	}
	at, err := time.Parse("20060102T150405Z", request.Header.Get("X-Amz-Date"))
	if err != nil {
		return "AccessDenied", "the request has no X-Amz-Date"
	}
	wanted, err := signature(keys, request, strings.Split(fields["SignedHeaders"], ";"), scope, at)
	if err != nil || subtle.ConstantTimeCompare([]byte(wanted), []byte(fields["Signature"])) != 1 {
		return "SignatureDoesNotMatch", "the signature was not made with the secret key that the suite declares"
	}
	return "", ""
}

// signature is the one that a client with these keys makes of the same request.
func signature(keys aws.Credentials, request *http.Request, names, scope []string, at time.Time) (string, error) {
	again, err := http.NewRequest(request.Method, "http://"+request.Host+request.URL.RequestURI(), nil)
	if err != nil {
		return "", err
	}
	again.Host = request.Host
	for name, values := range request.Header {
		if slices.Contains(names, strings.ToLower(name)) {
			again.Header[name] = values
		}
	}
	if slices.Contains(names, "content-length") {
		again.ContentLength = request.ContentLength
	}
	signer := v4.NewSigner(func(options *v4.SignerOptions) { options.DisableURIPathEscaping = true })
	hash := request.Header.Get(payload)
	if err := signer.SignHTTP(context.Background(), keys, again, hash, scope[3], scope[2], at); err != nil {
		return "", err
	}
	_, found, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return found, nil
}

func refuse(answer http.ResponseWriter, code, message string) {
	answer.Header().Set("Content-Type", "application/xml")
	answer.WriteHeader(http.StatusForbidden)
	_ = xml.NewEncoder(answer).Encode(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message})
}
