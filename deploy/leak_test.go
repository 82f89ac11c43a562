package deploy_test

import (
	"testing"

	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }
