package command

import "github.com/spf13/cobra"

func newStore() *cobra.Command {
	return group(&cobra.Command{
		Use:   "store",
		Short: "Check a box's store, or save what is left of a damaged one",
		Long:  `Check a box's store, or save what is left of a damaged one.`,
		Example: `  postroom --data ~/postroom store check
  postroom store salvage ~/postroom --output saved`,
	},
		newStoreCheck(),
		newStoreSalvage(),
	)
}
