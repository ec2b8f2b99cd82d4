package app

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"berth/domain"
	"berth/store"
)

// Images are the use cases on images: everybody may look, administrators keep the catalogue of recommended ones.
type Images struct{ *core }

// ImageInput is an image to recommend.
type ImageInput struct {
	Name        string
	Reference   string
	Description string
}

// Inspect asks the registry about an image.
func (s *Images) Inspect(ctx context.Context, actor domain.Actor, reference string) (domain.ImageInfo, error) {
	if err := s.read(ctx, actor, attempt{action: "image.inspect", resource: "image", name: reference}, toRead); err != nil {
		return domain.ImageInfo{}, err
	}
	var f fields
	img, err := domain.ParseImage(reference)
	if err != nil {
		f.fail("reference", "%s", err)
	} else if img.IsTemplate() {
		f.fail("reference", "must be an OCI reference: a CT template tells nothing about itself")
	}
	if err := f.err("the image"); err != nil {
		return domain.ImageInfo{}, err
	}
	return s.Images.Inspect(ctx, img)
}

// catalogue names the setting that holds the recommended images.
const catalogue = "images"

// List returns the recommended images.
func (s *Images) List(ctx context.Context, actor domain.Actor) ([]domain.CatalogueImage, error) {
	if err := s.read(ctx, actor, attempt{action: "image.list", resource: "image"}, toRead); err != nil {
		return nil, err
	}
	return recommended(ctx, s.Store)
}

func recommended(ctx context.Context, db *store.Store) ([]domain.CatalogueImage, error) {
	images := []domain.CatalogueImage{}
	if err := db.Setting(ctx, catalogue, &images); err != nil && !domain.Is(err, domain.NotFound) {
		return nil, err
	}
	return images, nil
}

// The lengths that the catalogue takes, in characters.
const (
	longestImageName   = 100
	longestDescription = 1000
)

// Add recommends an image. One that is recommended already is a Conflict.
func (s *Images) Add(ctx context.Context, actor domain.Actor, in ImageInput) (made domain.CatalogueImage, err error) {
	at := attempt{action: "image.add", resource: "image", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		var f fields
		img, err := domain.ParseImage(in.Reference)
		if err != nil {
			f.fail("reference", "%s", err)
		}
		if n := utf8.RuneCountInString(in.Name); n == 0 || n > longestImageName || strings.ContainsFunc(in.Name, unicode.IsControl) {
			f.fail("name", "must be 1 to %d characters without control characters", longestImageName)
		}
		if utf8.RuneCountInString(in.Description) > longestDescription {
			f.fail("description", "must be at most %d characters", longestDescription)
		}
		if err := f.err("the image"); err != nil {
			return err
		}
		made = domain.CatalogueImage{ID: domain.NewID(), Name: in.Name, Reference: img.String(), Description: in.Description}
		at.resourceID = made.ID
		return s.edit(ctx, actor, *at, func(images []domain.CatalogueImage) ([]domain.CatalogueImage, error) {
			if slices.ContainsFunc(images, func(i domain.CatalogueImage) bool { return i.Reference == made.Reference }) {
				return nil, domain.Errorf(domain.Conflict, "%s is in the catalogue already", made.Reference)
			}
			return append(images, made), nil
		})
	})
	if err != nil {
		return domain.CatalogueImage{}, err
	}
	return made, nil
}

// Remove takes an image out of the catalogue. Containers that were made from it stay.
func (s *Images) Remove(ctx context.Context, actor domain.Actor, id string) error {
	at := attempt{action: "image.remove", resource: "image", resourceID: id}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.edit(ctx, actor, *at, func(images []domain.CatalogueImage) ([]domain.CatalogueImage, error) {
			at := slices.IndexFunc(images, func(i domain.CatalogueImage) bool { return i.ID == id })
			if at < 0 {
				return nil, missing("image", shortened(id))
			}
			return slices.Delete(images, at, at+1), nil
		})
	})
}

// edit changes the catalogue. The first write takes the lock of a row, so that two edits at once do not lose one of them.
func (s *Images) edit(
	ctx context.Context, actor domain.Actor, at attempt, do func([]domain.CatalogueImage) ([]domain.CatalogueImage, error),
) error {
	return s.Store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.SetSetting(ctx, catalogue+".edited", s.Now().UTC()); err != nil {
			return err
		}
		images, err := recommended(ctx, tx)
		if err != nil {
			return err
		}
		if images, err = do(images); err != nil {
			return err
		}
		if err := tx.SetSetting(ctx, catalogue, images); err != nil {
			return err
		}
		return s.did(ctx, tx, actor, at, "")
	})
}
