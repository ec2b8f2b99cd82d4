package proxmox

import (
	"slices"
	"strings"
)

// Every CT of ours carries its container's ID three times over: tag "berth", tag "berth-<id>", and a line "berth:<id>" in the
// description. Nothing without it is ever destroyed.
const (
	ownTag     = "berth"
	tagPrefix  = "berth-"
	linePrefix = "berth:"
)

// Marker returns the description line of a container's CT.
func Marker(containerID string) string { return linePrefix + strings.ToLower(containerID) }

// Tags returns the tags of a container's CT: ours and the others given, in Proxmox's form (lower case, sorted, no duplicates).
func Tags(containerID string, others ...string) []string {
	tags := []string{ownTag, tagPrefix + strings.ToLower(containerID)}
	for _, t := range others {
		tags = append(tags, strings.ToLower(t))
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// Described returns a description that holds the container's marker line and then text.
func Described(containerID, text string) string {
	if text == "" {
		return Marker(containerID)
	}
	return Marker(containerID) + "\n\n" + text
}

// Description is the description of a CT that Berth made: the marker line, then what a reader in Proxmox wants to know.
func Description(containerID, image, owner string) string {
	return Described(containerID, "Image: "+image+"\n\nOwner: "+owner+"\n\nManaged by Berth; changes made here are reported there.")
}

// Unmarked returns tags and description of a CT without the marker, for giving it back to its administrator.
func Unmarked(ct CTConfig) (tags []string, description string) {
	tags = []string{}
	for _, t := range ct.Tags {
		if t != ownTag && !strings.HasPrefix(t, tagPrefix) {
			tags = append(tags, t)
		}
	}
	var lines []string
	for _, line := range strings.Split(ct.Description, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), linePrefix) {
			lines = append(lines, line)
		}
	}
	return tags, strings.TrimSpace(strings.Join(lines, "\n"))
}

// HasMarker says whether the CT is that container's: a tag or the description line names it, and neither names another one.
func HasMarker(ct CTConfig, containerID string) bool {
	id, ok := MarkerOf(ct)
	return ok && containerID != "" && id == strings.ToLower(containerID)
}

// MarkerOf returns the container that a CT says it belongs to. ok is false when nothing says so, and when tags and description
// contradict each other.
func MarkerOf(ct CTConfig) (containerID string, ok bool) {
	found := idsIn(ct.Tags)
	for _, line := range strings.Split(ct.Description, "\n") {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), linePrefix); ok && id != "" {
			found = append(found, strings.ToLower(id))
		}
	}
	return single(found)
}

// MarkerOfTags is MarkerOf for a row of the resource list, which has tags only.
func MarkerOfTags(tags []string) (containerID string, ok bool) { return single(idsIn(tags)) }

func idsIn(tags []string) (ids []string) {
	for _, t := range tags {
		if id, ok := strings.CutPrefix(strings.ToLower(t), tagPrefix); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func single(ids []string) (string, bool) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) != 1 {
		return "", false
	}
	return ids[0], true
}
