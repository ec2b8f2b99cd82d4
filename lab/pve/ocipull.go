package pve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// What skopeo's transports call a repository; digests are not part of it.
const (
	hostPattern       = `(?:(?:[a-zA-Z\d]|[a-zA-Z\d][a-zA-Z\d-]*[a-zA-Z\d])(?:\.(?:[a-zA-Z\d]|[a-zA-Z\d][a-zA-Z\d-]*[a-zA-Z\d]))*(?::\d+)?/)?`
	repositoryPattern = hostPattern + `[a-z\d]+(?:(?:[._]|__|[-]*)[a-z\d]+)*(?:/[a-z\d]+(?:(?:[._]|__|[-]*)[a-z\d]+)*)*`
	referencePattern  = repositoryPattern + `:\w[\w.-]{0,127}`
)

// postOCIPull makes a node fetch an image as a template.
func (c *Cluster) postOCIPull(k *call) (answer, error) {
	storage, reference := k.params.get("storage"), k.params.get("reference")
	s, err := c.enabledStorage(k.node, storage)
	if err != nil {
		return answer{}, err
	}
	if c.puller == nil {
		return answer{}, die("Install 'skopeo' to pull OCI images from registries.")
	}
	if !s.holds("vztmpl") {
		return answer{}, die("storage '%s' is not configured for content-type 'vztmpl'", storage)
	}
	name := k.params.get("filename")
	if name == "" {
		name = reference
	}
	name = normalizeFilename(name) + ".tar"
	file, shown, err := c.volumeFile(k.node, storage+":vztmpl/"+name)
	if err != nil {
		return answer{}, err
	}
	if _, err := os.Stat(file); err == nil {
		return answer{}, die("refusing to override existing file '%s'", name)
	}
	return answer{data: c.startTask(k, "ociregistrypull", name, func(w *worker) error {
		suffix := fmt.Sprintf(".tmp.%d", w.task.PID)
		err := c.pull(w, reference, file+suffix)
		if w.killed() {
			return err
		}
		if err != nil {
			_ = os.Remove(file + suffix) // it need not have been made
			if w.ctx.Err() != nil {
				return w.failure(err)
			}
			return die("command 'skopeo copy docker://%s oci-archive:%s%s' failed: exit code %d",
				reference, shown, suffix, skopeoExit(err))
		}
		return os.Rename(file+suffix, file)
	})}, nil
}

// exitCode finds it in the error of a Puller that runs a program.
var exitCode = regexp.MustCompile(`exit code (\d+)`)

// skopeoExit is the exit code of skopeo: 2 when the image is not there, 1 for any other failure.
func skopeoExit(err error) int {
	if m := exitCode.FindStringSubmatch(err.Error()); m != nil {
		if code, bad := strconv.Atoi(m[1]); bad == nil {
			return code
		}
	}
	if strings.Contains(err.Error(), "manifest unknown") {
		return 2
	}
	return 1
}

func (c *Cluster) pull(w *worker, reference, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := w.midpoint(); err != nil {
		text := err.Error()
		if errors.Is(err, errFull) {
			text = "writing blob: no space left on device"
		}
		w.logf("time=%q level=fatal msg=%q", c.now().UTC().Format("2006-01-02T15:04:05Z"), text)
		return err
	}
	err := c.puller.Pull(w.ctx, reference, to, w.logf)
	if err != nil && !exitCode.MatchString(err.Error()) { // a program that failed has told why
		w.logf("time=%q level=fatal msg=%q", c.now().UTC().Format("2006-01-02T15:04:05Z"), err)
	}
	return err
}

// getOCITags lists the tags of a repository.
func (c *Cluster) getOCITags(k *call) (answer, error) {
	repository := k.params.get("reference")
	failed := die("command 'skopeo list-tags docker://%s' failed: exit code 1", repository)
	if c.puller == nil {
		return answer{}, failed
	}
	tags, err := c.puller.Tags(k.ctx, repository)
	if err != nil {
		return answer{}, failed
	}
	if tags == nil {
		tags = []string{}
	}
	return answer{data: tags}, nil
}
