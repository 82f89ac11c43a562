// Package catalogue says which models there are, what each accepts in our words, and how to ask
// for it in its provider's. Models and plans are data: a new model is a row of catalogue.json.
//
// # Words
//
// A model has one or two forms: text makes a picture from a prompt alone, image from a prompt
// and a reference. A form has a recipe: the provider's input object, in which a string that
// begins with "$" stands for one of our words and is replaced by its value, of the value's type:
//
//	$prompt $negative_prompt $width $height $aspect_ratio $steps $num_images $seed
//	$output_format $reference_url $strength
//
// A word without a value drops its member; everything else is sent as it stands.
//
// # Invariants
//
//   - What [Catalogue.Resolve] lets through, every model that may serve it takes.
//   - A refusal names every wrong field at once, and never holds a value.
//   - The size of a picture is decided when it is asked for, never by the provider.
package catalogue
