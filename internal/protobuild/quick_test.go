package protobuild

import "testing"

func TestQuick(t *testing.T) {
	s, err := Find("../../examples", Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s)
	c, err := Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.Files, c.Warnings, len(c.DescriptorSet().File))
	s, err = Find("standard", Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s)
	c, err = Compile(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.Files, c.Warnings, len(c.DescriptorSet().File))
}
